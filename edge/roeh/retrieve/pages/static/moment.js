// Steps of a second in a preview, and a word when one cannot be played.
for (const figure of document.querySelectorAll("figure:has(video)")) {
  const video = figure.querySelector("video");
  for (const button of figure.querySelectorAll("[data-seek-s]")) {
    button.addEventListener("click", () => {
      video.pause();
      const end = Number.isFinite(video.duration) ? video.duration : Infinity;
      const at = video.currentTime + Number(button.dataset.seekS);
      video.currentTime = Math.min(end, Math.max(0, at));
    });
  }
  video.addEventListener("error", () => {
    figure.closest("section").querySelector("[data-when-broken]").hidden = false;
  });
}
for (const words of document.querySelectorAll(".needs-script")) words.hidden = false;
