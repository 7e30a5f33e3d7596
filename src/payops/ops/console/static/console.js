// What a keyboard can do beyond links and forms. Every page works without this file.
"use strict";

(() => {
  const typing = (element) => element.closest("input, textarea, select, [contenteditable]");
  // Rows that are folded away cannot have the focus.
  const rows = () =>
    [...document.querySelectorAll("[data-row]")].filter((row) => row.getClientRects().length);
  let waitsForPage = false;

  // The row itself takes the focus when nothing in it can be opened.
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const now = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.min(Math.max(now + by, 0), all.length - 1)];
    const target = next.querySelector("a") ?? next;
    if (target === next) next.tabIndex = -1;
    target.focus();
  };

  const keys = {
    "/": () => document.getElementById("find")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
    g: () => { waitsForPage = true; },
    j: () => step(1),
    k: () => step(-1),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const goesTo = waitsForPage && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    const act = goesTo ? () => goesTo.click() : keys[event.key];
    waitsForPage = false;
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
