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
  const grids = []; // of buttons, null where there is none: arrow keys move in them
  const buttons = [];
  const WAYS = 8; // ways to differ that a cause lists; the rest is counted
  let opened = -1;

  // ---- words of the report, explained where they stand
  const found = new RegExp(`(?<![\\w-])(${Object.keys(data.words).sort((one, other) => other.length - one.length).join("|")})(?![\\w-])`, "g");
  const wordsIn = (text) => unique(text.match(found) ?? []);
  const explained = (text) => text.split(found).map((part, index) => (index % 2 ? make("span", { class: "word", title: data.words[part] }, part) : part));

  // ---- the matrix
  function drawCell(cell, index) {
    const kind = cell.verdict === "pass" && cell.answered ? "pass ok" : cell.verdict;
    const [outcome, ...others] = cell.outcome.split(", ");
    const under = [...others, ...(cell.source ? [cell.source] : [])].join(", ");
    const spoken = `${cell.verdict}: ${cell.vantage} to ${cell.service}.${cell.frontend}: ${cell.outcome} ${cell.source} ${cell.short ?? ""}`.trim();
    const button = make("button", { class: `c ${kind}`, type: "button", tabindex: "-1", "data-cell": index,
      "aria-haspopup": "dialog", "aria-label": spoken },
      `${cell.mark} ${cell.seen_short || outcome}`);
    if (under && !cell.seen_short) button.append(make("small", {}, under));
    if (cell.short) button.append(make("small", { class: "due" }, cell.short));
    const meanings = wordsIn(`${cell.source} ${cell.short ?? ""} ${cell.column.replace(".", " ")}`).map((word) => `${word}: ${data.words[word]}`);
    button.title = [`${cell.vantage} to ${cell.service}.${cell.frontend} ${cell.target}`, cell.verdict === "pass" ? "" : cell.headline, cell.observed, ...meanings].filter(Boolean).join("\n");
    buttons[index] = button;
    return button;
  }
  function drawHead(columns) {
    const row = make("tr", {}, make("th", { scope: "col" }, "from"));
    let before = "";
    for (const column of columns) {
      const [kind, ...place] = column.split(".");
      const at = place.join(".");
      const meaning = wordsIn(at).map((word) => `${word}: ${data.words[word]}`).join("\n");
      row.append(make("th", { scope: "col", ...(kind === before ? { class: "same" } : {}), ...(meaning ? { title: meaning } : {}) }, make("b", {}, kind), at || "\u00a0"));
      before = kind;
    }
    return make("thead", {}, row);
  }
  const framed = (table) => make("div", { class: "frame" }, make("div", { class: "scroll" }, table));
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
    const section = make("section", {}, make("h2", {}, service, score, make("small", { class: "about-service" }, data.abouts[service])), framed(table));
    grids.push(grid.map((row) => row.map((index) => buttons[index] ?? null)));
    tables.push({ service, section, score, grid, rows: [...body.rows], head: head.rows[0] });
    return section;
  }

  // ---- what did not pass
  const parts = (value) => (Array.isArray(value) ? value : [value instanceof Node ? value : String(value)]);
  const list = (heads, rows, numeric, name = "list") => make("table", { class: name }, make("thead", {}, make("tr", {}, ...heads.map((head, x) => make("th", x === numeric ? { class: "n" } : {}, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((value, x) => make("td", x === numeric ? { class: "n" } : {}, ...parts(value)))))));
  const explainedIn = (text) => make("span", {}, ...explained(text));
  const account = (pairs) => make("dl", {}, ...pairs.flatMap(([label, text]) => [make("dt", {}, label), make("dd", {}, text)]));
  const linkTo = (rule) => make("a", { class: "badge rule", href: `#rule-${rule}` }, rule);
  function command(cell) {
    const text = data.command.replace("CELL", cell.id);
    return make("div", { class: "command" }, make("code", {}, text), make("button", { type: "button", class: "copy", "data-copy": text }, "Copy"));
  }
  function drawGroup(group) {
    const first = data.cells[group.cells[0]];
    const size = group.cells.length;
    const where = group.where ? make("small", { class: "where" }, ` ${group.where}`) : "";
    const card = make("article", { class: `group ${group.verdict}` }, make("h3", {}, `${size} cell${size > 1 ? "s" : ""}`, where, `: ${group.headline}`));
    if (group.explanation) card.append(account([["explained", group.explanation]]));
    if (size > 1 && group.ways.length) {
      const ways = group.ways.slice(0, WAYS).map(([count, due, seen]) => [count, explained(due), explained(seen)]);
      const more = group.ways.slice(WAYS);
      if (more.length) ways.push([more.reduce((sum, [count]) => sum + count, 0), `in ${more.length} other ways`, ""]);
      card.append(list(["cells", "expected", "observed"], ways, 0, "list ways"));
    }
    const shown = first.account.filter(([label]) => !["evidence", "because"].includes(label));
    const rows = shown.length ? shown : [["expected", first.expected], ["observed", first.observed]];
    card.append(account([[size > 1 ? "example" : "cell", make("a", { href: `#${first.id}` }, first.id)], ...rows,
      ...(group.rule ? [["rule", make("span", {}, linkTo(group.rule[0]), ` ${group.rule[1]}`)]] : [])]));
    card.append(command(first));
    if (size > 1) {
      const links = group.cells.map((index) => make("li", {}, make("a", { href: `#${data.cells[index].id}` }, data.cells[index].id)));
      card.append(make("details", {}, make("summary", {}, `all ${size} cells`), make("ul", { class: "links" }, ...links)));
    }
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
    $("none").hidden = count > 0 || !data.cells.length;
    data.groups.forEach((group, index) => { $("failures").querySelectorAll(".group")[index].hidden = !group.cells.some((cell) => on[cell]); });
    $("failures").hidden = !data.groups.some((group) => group.cells.some((cell) => on[cell]));
    for (const pair of pairs) pair.setAttribute("aria-pressed", filter.service === pair.dataset.service && filter.vantage === pair.dataset.client);
    measure();
    for (const button of document.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", filter.verdicts.has(button.dataset.verdict));
  }

  // ---- the overview, and the edges of tables that are wider than the page
  const pairs = [...document.querySelectorAll(".pair")];
  const rowsOf = [...document.querySelectorAll(".pairs tbody tr")];
  if (pairs.length) { grids.push(rowsOf.map((row) => [...row.cells].slice(1).map((cell) => cell.querySelector("button")))); pairs[0].tabIndex = 0; }
  function choose(pair) {
    const again = filter.service === pair.dataset.service && filter.vantage === pair.dataset.client;
    Object.assign(filter, { service: again ? "" : pair.dataset.service, vantage: again ? "" : pair.dataset.client });
    $("service").value = filter.service;
    $("vantage").value = filter.vantage;
    apply();
    if (!again) tables.find((table) => table.service === filter.service)?.section.scrollIntoView({ block: "center" });
  }
  const measure = () => {
    const sizes = [...document.querySelectorAll(".frame")].map((frame) => [frame, frame.firstChild.scrollLeft, frame.firstChild.scrollWidth - frame.firstChild.clientWidth]);
    for (const [frame, left, room] of sizes) { frame.classList.toggle("cut-right", left < room - 2); frame.classList.toggle("cut-left", left > 2); }
  };

  // ---- details
  const titled = (title, ...nodes) => [make("h3", {}, title), ...nodes];
  function details(cell) {
    const facets = Object.entries(cell.facets).map(([facet, verdict]) => make("span", { class: `badge ${verdict}` }, `${facet} ${verdict === "pass" ? "✓" : verdict}`));
    const asked = [["from", `${cell.vantage} (${cell.where})`], ["to", `${cell.service}.${cell.frontend}`], ["at", cell.target], ["attempts", String(cell.attempts.length)]];
    const attempts = cell.attempts.map(([outcome, source, backend, ms, note], index) => [index + 1, outcome + (note ? `: ${note}` : ""), source, backend, ms]);
    const shown = new Set(["asked", "because", "expected", "observed"]);
    const rest = cell.account.filter(([label]) => !shown.has(label));
    const others = cell.rules.filter((rule) => rule !== cell.rule);
    const sentence = (rule) => document.getElementById(`rule-${rule}`)?.nextElementSibling.firstChild.textContent ?? "";
    return [
      make("button", { type: "button", class: "close", "aria-label": "Close" }, "✕"),
      make("h2", { id: "panel-title" }, cell.id),
      make("p", {}, make("span", { class: `badge ${cell.verdict}` }, `${cell.mark} ${cell.verdict}`), cell.headline),
      ...(cell.differs ? [account([["expected", explainedIn(cell.differs[0])], ["observed", explainedIn(cell.differs[1])]])] : []),
      ...titled("Probe this cell again", command(cell)),
      ...titled("Asked", account(asked)),
      ...titled("Because", ...(cell.rule ? [make("p", { class: "rule-line" }, linkTo(cell.rule), sentence(cell.rule))] : []), make("p", {}, cell.because || "no rule was applied"),
        ...(others.length ? [make("p", {}, cell.rule ? "also " : "", ...others.map((rule) => { const link = linkTo(rule); link.title = sentence(rule); return link; }))] : [])),
      ...titled("Expected", make("p", {}, ...explained(cell.expected)), ...(cell.ways.length ? [list(["outcome", "source", "backend", "share", "rules"], cell.ways, 3)] : [])),
      ...titled("Observed", make("p", {}, ...explained(cell.observed)), ...cell.seen.map(([name, count]) => make("p", {}, `${count} × source `, ...explained(name)))),
      ...titled("Judged", make("p", {}, ...facets)),
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
    const rule = /^#rule-/.test(location.hash) && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (rule) { $("rules").open = true; rule.scrollIntoView({ block: "center" }); return; }
    const index = data.cells.findIndex((cell) => cell.id === decodeURIComponent(location.hash.slice(1)));
    if (index < 0) return;
    if (buttons[index].disabled) $("filters").reset();
    open(index, true);
    buttons[index].scrollIntoView({ block: "center", inline: "nearest" });
  }

  // ---- keys
  function move(button, dx, dy) {
    const grid = grids.find((one) => one.some((row) => row.includes(button)));
    let y = grid.findIndex((row) => row.includes(button));
    let x = grid[y].indexOf(button);
    for (x += dx, y += dy; y >= 0 && y < grid.length && x >= 0 && x < grid[y].length; x += dx, y += dy) {
      const next = grid[y][x];
      if (!next || next.disabled) continue;
      button.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      if (opened >= 0 && next.dataset.cell) open(Number(next.dataset.cell), false);
      return;
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
    const cell = event.target.closest(".c, .pair");
    if (cell && ARROWS[event.key]) { event.preventDefault(); move(cell, ...ARROWS[event.key]); }
    if (event.key === "/") { event.preventDefault(); $("find").focus(); }
    if (event.key === "n") step(1);
    if (event.key === "p") step(-1);
  });

  // ---- start
  for (const name of unique(data.cells.map((cell) => cell.service))) { $("service").append(make("option", {}, name)); $("matrix").append(drawService(name)); }
  for (const name of unique(data.cells.map((cell) => cell.vantage))) $("vantage").append(make("option", {}, name));
  const fails = data.groups.filter((group) => group.verdict === "fail").length;
  const silent = data.groups.length - fails;
  const counted = (count, one, many) => (count ? [count > 1 ? `${count} ${many}` : one] : []);
  const reason = fails ? "why other cells are inconclusive" : "Why cells are inconclusive";
  const causes = [...counted(fails, "The cause", "causes"), ...counted(silent, reason, "reasons why cells are inconclusive")].join(", and ");
  if (data.groups.length) $("failures").append(make("h2", {}, causes), make("div", { class: "groups" }, ...data.groups.map(drawGroup)));
  $("matrix").addEventListener("click", (event) => { const cell = event.target.closest(".c"); if (cell) open(Number(cell.dataset.cell), true); });
  document.addEventListener("scroll", measure, { capture: true, passive: true });
  addEventListener("resize", measure);
  document.addEventListener("click", (event) => {
    const pair = event.target.closest(".pair");
    if (pair) choose(pair);
    const copy = event.target.closest(".copy");
    if (copy) navigator.clipboard?.writeText(copy.dataset.copy).then(() => { copy.textContent = "Copied"; }, () => getSelection().selectAllChildren(copy.previousSibling));
  });
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
