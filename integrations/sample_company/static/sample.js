// Keeps the right side of the page fresh: asks every two seconds while the page is looked at, and changes it only when
// something came back. Without this file the page works by reloading.
"use strict";
(() => {
  const place = document.getElementById("came-back");
  const live = document.getElementById("live");
  if (!place || !live) return;
  let tag = "";
  let first = true;
  live.textContent = "Updates by itself.";

  const show = (html) => {
    // What the reader folded or unfolded stays so; what is new comes as the server sent it.
    const folds = new Map([...place.querySelectorAll("details[data-key]")].map((d) => [d.dataset.key, d.open]));
    place.innerHTML = html;
    for (const d of place.querySelectorAll("details[data-key]")) {
      if (folds.has(d.dataset.key)) d.open = folds.get(d.dataset.key);
    }
  };

  const look = async () => {
    if (document.hidden || place.contains(document.activeElement)) return;
    try {
      const answer = await fetch("/sample/came-back", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") || "";
        show(await answer.text());
        if (!first) live.textContent = "Something came back at " + new Date().toLocaleTimeString() + ".";
        first = false;
      }
    } catch {
      live.textContent = "The shop cannot be reached; still trying.";
    }
  };
  setInterval(look, 2000);
  look();
})();
