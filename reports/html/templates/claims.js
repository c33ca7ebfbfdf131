"use strict";
const root = document.documentElement;
document.querySelector("#theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
const claims = [...document.querySelectorAll(".f")];
function step(by) {
  const now = claims.findIndex((claim) => claim.getAttribute("href") === location.hash);
  const next = claims[(now < 0 && by < 0 ? 0 : now) + by] ?? claims[by > 0 ? 0 : claims.length - 1];
  if (next) { location.hash = next.getAttribute("href"); next.scrollIntoView({ block: "nearest" }); }
}
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && location.hash) location.hash = "#-";
  if (event.key === "n") step(1);
  if (event.key === "p") step(-1);
});
