// An export's progress without reloading, while somebody can see it. Looks that follow each
// other within a minute are one record.
const PERIOD_MS = 2000;
const place = document.querySelector("[data-progress]");

async function look() {
  if (document.hidden) return;
  const answer = await fetch(place.dataset.progress, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const progress = await answer.json();
  if (progress.state !== place.dataset.state) {
    location.reload();
    return;
  }
  const bar = place.querySelector("progress");
  const words = place.querySelector("[role=status]");
  if (progress.bytes_total > 0) {
    bar.max = progress.bytes_total;
    bar.value = progress.bytes_done;
  }
  if (words.textContent !== progress.words) words.textContent = progress.words;
}

if (place) {
  // The next look begins when this one has ended, however it ended.
  const again = () => setTimeout(() => look().catch(() => {}).finally(again), PERIOD_MS);
  again();
  for (const words of place.querySelectorAll(".needs-script")) words.hidden = false;
}
