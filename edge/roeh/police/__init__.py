"""What police do at their own desk: ask, agree, fetch, open (edge/docs/police.md)."""
