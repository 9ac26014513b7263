// This script filters and unfolds the checks. Without it, everything can be read.
(function () {
  "use strict";
  const form = document.querySelector(".filters");
  const checks = Array.from(document.querySelectorAll(".check"));
  const planes = Array.from(document.querySelectorAll(".plane"));
  const search = document.getElementById("search");
  const unfold = document.getElementById("unfold");
  const texts = new Map();

  function text(check) {
    if (!texts.has(check)) texts.set(check, check.textContent.toLowerCase());
    return texts.get(check);
  }

  function chosen(name) {
    return Array.from(form.querySelectorAll('input[name="' + name + '"]:checked'), (box) => box.value);
  }

  function filter() {
    const wanted = { plane: chosen("plane"), result: chosen("result"), severity: chosen("severity") };
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const check of checks) {
      const fits = Object.entries(wanted).every(([key, values]) => values.length === 0 || values.includes(check.dataset[key]));
      check.hidden = !(fits && words.every((word) => text(check).includes(word)));
      if (!check.hidden) shown++;
    }
    for (const plane of planes) plane.hidden = !plane.querySelector(".check:not([hidden])");
    document.getElementById("found").textContent = shown + " of " + checks.length + " checks";
    document.querySelector(".calm.none").hidden = shown > 0;
  }

  function showAll() {
    form.reset();
    filter();
  }

  // A link to a check opens it, and shows it even if it is filtered away.
  function openTarget() {
    const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
    if (!target || !target.matches(".check")) return;
    if (target.hidden) showAll();
    target.open = true;
    target.scrollIntoView();
  }

  // What matters is unfolded for printing. Some browsers cannot do that by styles.
  let unfolded = [];
  window.addEventListener("beforeprint", () => {
    const all = ".check.fail, .check.inconclusive, .fold.fail, .fold.inconclusive";
    unfolded = Array.from(document.querySelectorAll(all)).filter((part) => !part.open);
    for (const part of unfolded) part.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const part of unfolded) part.open = false;
  });
  window.addEventListener("hashchange", openTarget);

  if (!form) return;
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("all").addEventListener("click", showAll);
  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-expanded") !== "true";
    for (const check of checks) if (!check.hidden) check.open = open;
    unfold.setAttribute("aria-expanded", String(open));
    unfold.textContent = open ? "Fold" : "Unfold";
  });
  filter(); // a browser that goes back may have kept the choices
  openTarget();
})();
