"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  root.classList.add("js");

  // Dark and light: what the system prefers, until the button says otherwise.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.style.colorScheme || (dark.matches ? "dark" : "light");
    root.style.colorScheme = now === "dark" ? "light" : "dark";
  });

  // Tabs: arrow keys, Home and End move between them. Players learn their length when their panel opens.
  for (const list of all('[role="tablist"]')) {
    const tabs = all('[role="tab"]', list);
    const open = (tab) => {
      for (const other of tabs) {
        const is = other === tab;
        other.setAttribute("aria-selected", is);
        other.tabIndex = is ? 0 : -1;
        const panel = document.getElementById(other.getAttribute("aria-controls"));
        panel.classList.toggle("open", is);
        for (const player of all("audio", panel)) if (is) player.preload = "metadata"; else player.pause();
      }
    };
    list.addEventListener("click", (event) => { const tab = event.target.closest('[role="tab"]'); if (tab) open(tab); });
    list.addEventListener("keydown", (event) => {
      const at = tabs.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (at < 0 || to === undefined) return;
      event.preventDefault();
      const tab = tabs[(to + tabs.length) % tabs.length];
      tab.focus();
      open(tab);
    });
    if (tabs.length) open(tabs[0]);
  }

  // One recording at a time.
  document.addEventListener("play", (event) => {
    for (const player of all("audio")) if (player !== event.target) player.pause();
  }, true);

  // Sorting: numbers by value, the best first; a second click turns it round.
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = (cell.dataset.v ?? cell.textContent).trim();
    const number = parseFloat(text.replace("−", "-").replaceAll(",", ""));
    return Number.isNaN(number) ? text.toLowerCase() : number;
  };
  for (const table of all("table.sortable")) {
    const headings = all("thead th", table);
    headings.forEach((heading, column) => {
      if (heading.classList.contains("plain")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const numeric = heading.classList.contains("num");
        const before = heading.getAttribute("aria-sort");
        const way = before ? (before === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", way);
        const body = table.tBodies[0];
        const sign = way === "ascending" ? 1 : -1;
        const rows = [...body.rows].map((row) => [key(row, column), row]);
        rows.sort(([a], [b]) => {
          if (numeric && typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // unknown values last, either way
          return sign * (a < b ? -1 : a > b ? 1 : 0);
        });
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  // Legends: a click hides a system in every figure of the page.
  document.addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-toggle]");
    if (toggle) {
      const number = toggle.dataset.toggle;
      const hide = toggle.getAttribute("aria-pressed") === "true";
      for (const other of all(`[data-toggle="${number}"]`)) other.setAttribute("aria-pressed", !hide);
      for (const drawn of all(`[data-series="${number}"]`)) drawn.classList.toggle("off", hide);
    }
    const by = event.target.closest("[data-by]");
    if (by) {
      for (const group of all(".by")) group.className = `by by-${by.dataset.by}`;
      for (const other of all("[data-by]")) other.setAttribute("aria-pressed", other.dataset.by === by.dataset.by);
    }
  });

  // What the pointer is on.
  const tip = document.getElementById("tip");
  document.addEventListener("pointermove", (event) => {
    const said = event.target.closest?.("[data-tip]")?.dataset.tip;
    tip.hidden = !said;
    if (!said) return;
    tip.textContent = said;
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18}px`;
  });
})();
