"use strict";
// The page is whole without this: it only narrows what is shown, and opens what must be seen.
(() => {
  const bar = document.getElementById("filter");
  if (!bar) return;
  bar.hidden = false;
  const buttons = [...bar.querySelectorAll("button[data-show]")];
  const words = bar.querySelector("input");
  const count = document.getElementById("filter-count");
  const cases = [...document.querySelectorAll(".case")];
  const texts = new Map(cases.map((item) => [item, (item.dataset.find || "").toLowerCase()]));
  let shown = "all";

  const narrow = () => {
    const wanted = words.value.trim().toLowerCase();
    let visible = 0;
    for (const item of cases) {
      const fits = (shown === "all" || item.dataset.tone === shown) && texts.get(item).includes(wanted);
      item.hidden = !fits;
      if (fits) visible += 1;
    }
    const narrowed = shown !== "all" || wanted !== "";
    for (const clause of document.querySelectorAll(".clause")) {
      clause.hidden = !clause.querySelector(".case:not([hidden])");
      if (narrowed && !clause.hidden && visible <= 60) clause.open = true;
    }
    for (const area of document.querySelectorAll(".area")) {
      area.hidden = narrowed && !area.querySelector(".clause:not([hidden])");
    }
    count.textContent = `${visible} of ${cases.length} cases`;
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      shown = button.dataset.show;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      narrow();
    });
  }
  words.addEventListener("input", narrow);
  narrow();

  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let item = target; item; item = item.parentElement) {
      item.hidden = false;
      if (item.tagName === "DETAILS") item.open = true;
    }
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // On paper a closed part would be lost.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open]):has(.case[data-tone='bad'])")];
    for (const item of closed) item.open = true;
  });
  addEventListener("afterprint", () => {
    for (const item of closed) item.open = false;
  });

  for (const code of document.querySelectorAll("code.command")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", () =>
      navigator.clipboard.writeText(code.textContent).then(
        () => { button.textContent = "Copied"; },
        () => { button.textContent = "Not allowed"; },
      ));
    code.after(button);
  }
})();
