"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const unique = (items) => [...new Set(items)];
  const filter = { verdicts: new Set(), service: "", vantage: "", words: [] };
  const tables = [];
  const buttons = [];
  let opened = -1;

  // ---- the matrix
  function drawCell(cell, index) {
    const kind = cell.verdict === "pass" && cell.answered ? "pass ok" : cell.verdict;
    const [outcome, ...others] = cell.outcome.split(", ");
    const under = [...others, ...(cell.source ? [cell.source] : [])].join(", ");
    const button = make("button", { class: `c ${kind}`, type: "button", tabindex: "-1", "data-cell": index,
      "aria-haspopup": "dialog", "aria-label": `${cell.verdict}: ${cell.vantage} to ${cell.service}.${cell.frontend}: ${cell.outcome} ${cell.source}` },
      `${cell.mark} ${outcome}`);
    if (under) button.append(make("small", {}, under));
    button.title = [`${cell.vantage} to ${cell.service}.${cell.frontend} ${cell.target}`, cell.verdict === "pass" ? "" : cell.headline, cell.observed].filter(Boolean).join("\n");
    buttons[index] = button;
    return button;
  }
  function drawHead(columns) {
    const row = make("tr", {}, make("th", { scope: "col" }, "from"));
    let before = "";
    for (const column of columns) {
      const [kind, ...place] = column.split(".");
      row.append(make("th", { scope: "col", ...(kind === before ? { class: "same" } : {}) }, make("b", {}, kind), place.join(".") || "\u00a0"));
      before = kind;
    }
    return make("thead", {}, row);
  }
  function drawService(service) {
    const columns = data.columns[service];
    const own = data.cells.map((cell, index) => [cell, index]).filter(([cell]) => cell.service === service);
    const vantages = unique(own.map(([cell]) => cell.vantage));
    const at = new Map(own.map(([cell, index]) => [`${cell.vantage}\n${cell.column}`, index]));
    const head = drawHead(columns);
    const body = make("tbody");
    const grid = vantages.map((vantage) => columns.map((column) => at.get(`${vantage}\n${column}`) ?? -1));
    vantages.forEach((vantage, y) => {
      const row = make("tr", {}, make("th", { scope: "row" }, vantage));
      for (const index of grid[y]) row.append(index < 0 ? make("td", { class: "empty" }, "·") : make("td", {}, drawCell(data.cells[index], index)));
      body.append(row);
    });
    const score = make("small");
    const table = make("table", { class: "matrix", "aria-label": service }, head, body);
    const section = make("section", {}, make("h2", {}, service, score, make("small", { class: "about-service" }, data.abouts[service])), make("div", { class: "scroll" }, table));
    tables.push({ service, section, score, grid, rows: [...body.rows], head: head.rows[0] });
    return section;
  }

  // ---- what did not pass
  const account = (pairs) => make("dl", {}, ...pairs.flatMap(([label, text]) => [make("dt", {}, label), make("dd", {}, text)]));
  function drawGroup(group) {
    const first = data.cells[group.cells[0]];
    const size = group.cells.length;
    const card = make("article", { class: `group ${group.verdict}` }, make("h3", {}, group.headline, " ", make("small", {}, size > 1 ? `${size} cells` : "1 cell")));
    const shared = size > 1 && group.shared.length ? [["shared", group.shared.join("; ")], ["such as", first.id]] : [];
    card.append(account([...shared, ...(first.account.length ? first.account.filter(([label]) => label !== "evidence") : [["expected", first.expected], ["observed", first.observed]])]));
    const links = group.cells.map((index) => make("li", {}, make("a", { href: `#${data.cells[index].id}` }, data.cells[index].id)));
    card.append(make("ul", { class: "links" }, ...links.slice(0, 6)));
    if (size > 6) card.append(make("details", {}, make("summary", {}, `${size - 6} more`), make("ul", { class: "links" }, ...links.slice(6))));
    return card;
  }

  // ---- filters
  const hay = data.cells.map((cell) => [cell.id, cell.target, cell.headline, cell.because, cell.rules.join(" "), cell.outcome, cell.source,
    cell.expected, cell.observed, cell.seen.map(([name]) => name).join(" ")].join(" ").toLowerCase());
  const matches = (cell, index) => (!filter.verdicts.size || filter.verdicts.has(cell.verdict)) && (!filter.service || cell.service === filter.service)
    && (!filter.vantage || cell.vantage === filter.vantage) && filter.words.every((word) => hay[index].includes(word));
  function applyTable(table, on) {
    const rows = table.grid.map((row) => row.some((index) => on[index]));
    const columns = table.grid[0].map((_, x) => table.grid.some((row) => on[row[x]]));
    const own = table.grid.flat().filter((index) => on[index]);
    table.section.hidden = !own.length;
    table.score.textContent = ["✗", "?", "✓"].map((mark) => [mark, own.filter((index) => data.cells[index].mark === mark).length]).filter(([, count]) => count).map((pair) => pair.join(" ")).join("   ");
    table.rows.forEach((row, y) => {
      row.hidden = !rows[y];
      [...row.cells].slice(1).forEach((cell, x) => { cell.hidden = !columns[x]; });
    });
    [...table.head.cells].slice(1).forEach((cell, x) => { cell.hidden = !columns[x]; });
    table.grid.flat().forEach((index) => { if (index >= 0) { buttons[index].classList.toggle("off", !on[index]); buttons[index].disabled = !on[index]; buttons[index].tabIndex = -1; } });
    if (own.length) buttons[own[0]].tabIndex = 0;
  }
  function apply() {
    const on = data.cells.map(matches);
    const count = on.filter(Boolean).length;
    for (const table of tables) applyTable(table, on);
    $("shown").textContent = count === on.length ? `${count} cells` : `${count} of ${on.length} cells`;
    $("none").hidden = count > 0;
    data.groups.forEach((group, index) => { $("failures").querySelectorAll(".group")[index].hidden = !group.cells.some((cell) => on[cell]); });
    $("failures").hidden = !data.groups.some((group) => group.cells.some((cell) => on[cell]));
    for (const button of document.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", filter.verdicts.has(button.dataset.verdict));
  }

  // ---- details
  const list = (heads, rows, numeric) => make("table", { class: "list" }, make("thead", {}, make("tr", {}, ...heads.map((head, x) => make("th", x === numeric ? { class: "n" } : {}, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text, x) => make("td", x === numeric ? { class: "n" } : {}, String(text)))))));
  const titled = (title, ...nodes) => [make("h3", {}, title), ...nodes];
  function details(cell) {
    const facets = Object.entries(cell.facets).map(([facet, verdict]) => make("span", { class: `badge ${verdict}` }, `${facet} ${verdict === "pass" ? "✓" : verdict}`));
    const asked = [["from", `${cell.vantage} (${cell.where})`], ["to", `${cell.service}.${cell.frontend}`], ["at", cell.target], ["attempts", String(cell.attempts.length)]];
    const attempts = cell.attempts.map(([outcome, source, backend, ms, note], index) => [index + 1, outcome + (note ? `: ${note}` : ""), source, backend, ms]);
    const shown = new Set(["asked", "because", "expected", "observed"]);
    const rest = cell.account.filter(([label]) => !shown.has(label));
    return [
      make("button", { type: "button", class: "close", "aria-label": "Close" }, "✕"),
      make("h2", { id: "panel-title" }, cell.id),
      make("p", {}, make("span", { class: `badge ${cell.verdict}` }, `${cell.mark} ${cell.verdict}`), cell.headline),
      ...titled("Asked", account(asked)),
      ...titled("Because", make("p", {}, cell.because || "no rule was applied"), ...cell.rules.map((rule) => make("code", { class: "badge rule" }, rule))),
      ...titled("Expected", make("p", {}, cell.expected), ...(cell.ways.length ? [list(["outcome", "source", "backend", "share", "rules"], cell.ways, 3)] : [])),
      ...titled("Observed", make("p", {}, cell.observed), ...cell.seen.map(([name, count]) => make("p", {}, `${count} × source ${name}`))),
      ...titled("Facets", make("p", {}, ...facets)),
      ...(attempts.length ? titled("Attempts", list(["#", "outcome", "source", "backend", "ms"], attempts, 4)) : []),
      ...(rest.length ? titled("Account", account(rest)) : []),
    ];
  }
  function open(index, focus) {
    if (opened >= 0) buttons[opened].removeAttribute("aria-expanded");
    opened = index;
    $("panel").replaceChildren(...details(data.cells[index]));
    $("panel").hidden = false;
    $("panel").scrollTop = 0;
    document.body.classList.add("open");
    buttons[index].setAttribute("aria-expanded", "true");
    history.replaceState(null, "", `#${data.cells[index].id}`);
    buttons[index].scrollIntoView({ block: "nearest", inline: "nearest" });
    if (focus) $("panel").focus();
  }
  function close() {
    if (opened < 0) return;
    buttons[opened].removeAttribute("aria-expanded");
    $("panel").hidden = true;
    document.body.classList.remove("open");
    buttons[opened].focus({ preventScroll: true });
    opened = -1;
    history.replaceState(null, "", location.pathname + location.search);
  }
  function openHash() {
    const index = data.cells.findIndex((cell) => cell.id === decodeURIComponent(location.hash.slice(1)));
    if (index < 0) return;
    if (buttons[index].disabled) $("filters").reset();
    open(index, true);
    buttons[index].scrollIntoView({ block: "center", inline: "nearest" });
  }

  // ---- keys
  function move(button, dx, dy) {
    const table = tables.find((one) => one.grid.some((row) => row.includes(Number(button.dataset.cell))));
    let y = table.grid.findIndex((row) => row.includes(Number(button.dataset.cell)));
    let x = table.grid[y].indexOf(Number(button.dataset.cell));
    for (x += dx, y += dy; y >= 0 && y < table.grid.length && x >= 0 && x < table.grid[y].length; x += dx, y += dy) {
      const next = buttons[table.grid[y][x]];
      if (next && !next.disabled) { button.tabIndex = -1; next.tabIndex = 0; next.focus(); if (opened >= 0) open(Number(next.dataset.cell), false); return; }
    }
  }
  function step(by) {
    const bad = data.cells.map((cell, index) => index).filter((index) => data.cells[index].verdict !== "pass" && !buttons[index].disabled);
    if (!bad.length) return;
    const at = opened < 0 ? (by > 0 ? -1 : 0) : bad.findIndex((index) => index >= opened) - (by > 0 && !bad.includes(opened) ? 1 : 0);
    open(bad[(at + by + bad.length) % bad.length], true);
  }
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return close();
    if (event.target.matches("input, select")) return;
    const cell = event.target.closest(".c");
    if (cell && ARROWS[event.key]) { event.preventDefault(); move(cell, ...ARROWS[event.key]); }
    if (event.key === "/") { event.preventDefault(); $("find").focus(); }
    if (event.key === "n") step(1);
    if (event.key === "p") step(-1);
  });

  // ---- start
  for (const name of unique(data.cells.map((cell) => cell.service))) { $("service").append(make("option", {}, name)); $("matrix").append(drawService(name)); }
  for (const name of unique(data.cells.map((cell) => cell.vantage))) $("vantage").append(make("option", {}, name));
  if (data.groups.length) $("failures").append(make("h2", {}, "What did not pass"), make("div", { class: "groups" }, ...data.groups.map(drawGroup)));
  $("matrix").addEventListener("click", (event) => { const cell = event.target.closest(".c"); if (cell) open(Number(cell.dataset.cell), true); });
  $("panel").addEventListener("click", (event) => { if (event.target.closest(".close")) close(); });
  $("filters").addEventListener("click", (event) => {
    const verdict = event.target.closest("[data-verdict]")?.dataset.verdict;
    if (!verdict) return;
    if (!filter.verdicts.delete(verdict)) filter.verdicts.add(verdict);
    apply();
  });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", () => {
    Object.assign(filter, { service: $("service").value, vantage: $("vantage").value, words: $("find").value.toLowerCase().split(/\s+/).filter(Boolean) });
    apply();
  });
  $("filters").addEventListener("reset", () => { Object.assign(filter, { service: "", vantage: "", words: [] }); filter.verdicts.clear(); apply(); });
  const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  $("theme").addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; });
  addEventListener("hashchange", openHash);
  apply();
  openHash();
})();
