"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const embedded = $("data");
  const data = embedded ? JSON.parse(embedded.textContent) : { cells: [], rules: {} };
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const cells = [...document.querySelectorAll("[data-cell]")];
  const groups = [...document.querySelectorAll(".group[data-mark]")];
  const marks = new Set();
  let opened = null;

  // ---- filters
  const wordsOf = (cell) => [cell.id, cell.asks, cell.expected, cell.because, cell.ways.flat(2).join(" ")].join(" ").toLowerCase();
  const hay = new Map([...cells.map((node) => [node, wordsOf(data.cells[node.dataset.cell])]), ...groups.map((node) => [node, node.textContent.toLowerCase()])]);
  function apply() {
    const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const on = (node) => (!marks.size || marks.has(node.dataset.mark)) && words.every((word) => hay.get(node).includes(word));
    for (const cell of cells) { const off = !on(cell); cell.classList.toggle("off", off); cell.disabled = off; }
    for (const group of groups) group.hidden = !on(group);
    for (const section of document.querySelectorAll("main section")) section.hidden = !section.querySelector(".c:not(.off)");
    const all = cells.length || groups.length;
    const left = cells.length ? cells.filter((cell) => !cell.disabled).length : groups.filter((group) => !group.hidden).length;
    $("shown").textContent = `${left === all ? "" : `${left} of `}${all} ${cells.length ? "cells" : "groups"}`;
    $("none").hidden = left > 0 || !all;
    for (const button of document.querySelectorAll(".verdicts [data-mark]")) button.setAttribute("aria-pressed", marks.has(button.dataset.mark));
  }

  // ---- one cell: every way it may take, by its rules in the packet's order
  function way([share, outcome, source, backend, rules], count) {
    const words = [outcome, backend && `from ${backend}`, source && `source ${source}`].filter(Boolean).join(", ");
    const steps = rules.map((rule) => {
      const [sentence, versions, citation] = data.rules[rule] || ["", "", ""];
      return make("li", {}, make("code", { class: "badge rule" }, rule), sentence, make("small", {}, (versions === "all" || !versions ? "" : `kube-proxy ${versions}; `) + citation));
    });
    return [make("h3", { class: "way" }, count > 1 ? `${share}: ${words}` : words), make("ol", { class: "path" }, ...steps)];
  }
  function open(node, focus) {
    const cell = data.cells[node.dataset.cell];
    if (opened) opened.removeAttribute("aria-expanded");
    opened = node;
    node.setAttribute("aria-expanded", "true");
    $("panel").replaceChildren(
      make("button", { type: "button", class: "close", "aria-label": "Close" }, "✕"),
      make("h2", { id: "panel-title" }, cell.id), make("p", {}, `asks ${cell.asks}`),
      make("h3", {}, "Expected"), make("p", {}, cell.expected), make("h3", {}, "Because"), make("p", {}, cell.because),
      ...cell.ways.flatMap((one) => way(one, cell.ways.length)));
    $("panel").hidden = false;
    $("panel").scrollTop = 0;
    document.body.classList.add("open");
    history.replaceState(null, "", `#${cell.id}`);
    if (focus) $("panel").focus();
  }
  function close() {
    if (!opened) return;
    opened.removeAttribute("aria-expanded");
    opened.focus({ preventScroll: true });
    opened = null;
    $("panel").hidden = true;
    document.body.classList.remove("open");
    history.replaceState(null, "", location.pathname + location.search);
  }
  function openHash() {
    const id = decodeURIComponent(location.hash.slice(1));
    const node = cells.find((cell) => data.cells[cell.dataset.cell].id === id);
    if (node) { open(node, true); node.scrollIntoView({ block: "center", inline: "nearest" }); }
  }

  // ---- start
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (cell) open(cell, true);
    if (event.target.closest(".close")) close();
    const mark = event.target.closest(".verdicts [data-mark]")?.dataset.mark;
    if (mark) { if (!marks.delete(mark)) marks.add(mark); apply(); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return close();
    if (event.key === "/" && !event.target.matches("input")) { event.preventDefault(); $("find").focus(); }
  });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", apply);
  $("filters").addEventListener("reset", () => { marks.clear(); setTimeout(apply); });
  const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  $("theme").addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; });
  addEventListener("hashchange", openHash);
  apply();
  openHash();
})();
