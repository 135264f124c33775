"use strict";
// The lines can be read without this: it unfolds what is packed, narrows what is shown, and answers keys.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const bar = document.getElementById("filter");
  const input = bar.querySelector("input");
  const count = document.getElementById("count");
  const none = document.getElementById("none");
  const buttons = all("button[data-show]", bar);
  /** More hits than this are not all unfolded: the first is. */
  const MOST_OPEN = 200;

  // --- what is packed ---

  const inflate = async (pack) => {
    const bytes = Uint8Array.from(atob(pack.content.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };
  const packs = new Map();
  const unfolded = (pack) => {
    if (!packs.has(pack)) packs.set(pack, inflate(pack));
    return packs.get(pack);
  };
  const [behind, ...evidence] = all("template.pack");
  const packOf = new Map(evidence.flatMap((pack) => pack.dataset.ids.split(" ").map((id) => [id, pack])));

  const filled = new WeakMap();
  const fill = (slot, pack, id) => {
    if (!filled.has(slot)) filled.set(slot, fillNow(slot, pack, id));
    return filled.get(slot);
  };
  const fillNow = async (slot, pack, id) => {
    // Made by the kit with everything escaped; the policy of this page runs no script of it in any case.
    slot.innerHTML = (await unfolded(pack))[id] || "";
    commands(slot);
    await Promise.all(all("[data-evidence]", slot).map(fillEvidence));
  };
  const fillEvidence = (slot) => {
    const pack = packOf.get(slot.dataset.evidence);
    return pack ? fill(slot, pack, slot.dataset.evidence) : undefined;
  };
  const unfold = async (item) => {
    if (item.matches(".picture")) return fillEvidence(item.querySelector("[data-evidence]"));
    const holder = item.matches(".clause") ? item : item.parentElement;
    if (!holder.matches(".clause, .case")) return undefined;
    let slot = item.querySelector(":scope > .body");
    if (!slot) {
      slot = document.createElement("div");
      slot.className = "body";
      item.querySelector("summary").after(slot);
    }
    return fill(slot, behind, holder.id);
  };
  document.addEventListener("toggle", (event) => {
    if (event.target.open) unfold(event.target);
  }, true);

  const commands = (root) => {
    for (const code of all("code.command", root)) {
      if (!navigator.clipboard || code.nextElementSibling?.matches(".copy:not(.text)")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      code.after(button);
    }
  };
  /** The text of each cause that has one, for the button that copies it. */
  const texts = document.getElementById("texts");
  const textOfCause = async (button) => (await unfolded(texts))[button.closest(".cause").id];
  if (navigator.clipboard) {
    unfolded(texts).then((known) => {
      for (const button of all(".copy.text")) button.hidden = !known[button.closest(".cause").id];
    });
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(".copy");
    if (!button) return;
    try {
      const text = button.matches(".text") ? textOfCause(button) : button.previousElementSibling.textContent;
      await navigator.clipboard.writeText(await text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
  });

  // --- the filter ---

  const areas = all(".area").map((area) => ({
    area,
    clauses: all(".clause", area).map((clause) => ({
      clause,
      about: [clause.dataset.n, clause.dataset.k, clause.firstElementChild.textContent].join("\n").toLowerCase(),
      cases: all(".case", clause),
    })),
  }));
  const cases = areas.flatMap(({ clauses }) => clauses.flatMap((one) => one.cases));
  const indexed = new Map();
  let told = {};
  const plain = (html) => html.replace(/<[^>]*>/g, " ")
    .replace(/&(lt|gt|amp|#34|#39);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&", "#34": '"', "#39": "'" })[name]);
  const textOf = (item, clause) => {
    if (!indexed.has(item)) {
      indexed.set(item, [clause.about, item.dataset.c, item.textContent, plain(told[item.id] || "")].join("\n").toLowerCase());
    }
    return indexed.get(item);
  };
  unfolded(behind).then((fragments) => {
    told = fragments;
    indexed.clear();
    document.documentElement.dataset.ready = "1";
    if (parse(query).words.length) narrow();
    if (location.hash.startsWith("#q=") && conditions(parse(query))) jump();
  });

  /** `is:red clause:STREAM-12 "two words"`: words and conditions, all of which must hold. */
  const parse = (text) => {
    const wanted = { words: [], is: "", clause: "", key: "", cause: "" };
    for (const [part] of text.matchAll(/(?:(?:is|clause|key|cause):)?(?:"[^"]*"?|[^\s"]+)/g)) {
      const [, field, value] = part.match(/^(?:(is|clause|key|cause):)?"?(.*?)"?$/s);
      if (field) wanted[field] = value;
      else if (value) wanted.words.push(value.toLowerCase());
    }
    return wanted;
  };
  const fits = (item, clause, wanted) =>
    (!wanted.is || item.classList.contains(wanted.is.replace(" ", "-"))) &&
    (!wanted.cause || item.dataset.c === wanted.cause) &&
    wanted.words.every((word) => textOf(item, clause).includes(word));
  const clauseFits = ({ clause }, wanted) =>
    (!wanted.clause || clause.dataset.n.toLowerCase() === wanted.clause.toLowerCase()) &&
    (!wanted.key || clause.dataset.k === wanted.key);

  /** Whether a query asks for more than a ruling: then the reader is taken to what was found. */
  const conditions = (wanted) => wanted.words.length > 0 || wanted.clause || wanted.key || wanted.cause;

  let query = "";
  let hits = [];
  let opened = [];
  const narrow = () => {
    const wanted = parse(query);
    hits = [];
    for (const { area, clauses } of areas) {
      let some = false;
      for (const one of clauses) {
        const may = clauseFits(one, wanted);
        let shown = 0;
        for (const item of one.cases) {
          const fit = may && fits(item, one, wanted);
          if (item.hidden === fit) item.hidden = !fit;
          if (fit) { shown += 1; hits.push(item); }
        }
        if (one.clause.hidden !== !shown) one.clause.hidden = !shown;
        some ||= shown > 0;
      }
      if (area.hidden !== !some) area.hidden = !some;
    }
    const narrowed = query.trim() !== "";
    const open = new Set(narrowed && hits.length <= MOST_OPEN ? hits.map((item) => item.parentElement) : []);
    if (narrowed && hits.length) open.add(hits[0].parentElement);
    for (const clause of open) clause.open = true;
    opened = [...open];
    none.hidden = hits.length > 0;
    count.textContent = hits.length === cases.length ? `${cases.length} cases` : `${hits.length} of ${cases.length} cases`;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.show === wanted.is));
    document.documentElement.dataset.narrowed = query;
  };
  /** Go to the first hit, again when what unfolds above it has taken its place. */
  const jump = async () => {
    const [first] = hits;
    if (!first) {
      none.scrollIntoView({ behavior: "instant", block: "center" });
      return;
    }
    show(first);
    await Promise.all(opened.map(unfold));
    if (hits[0] === first) show(first);
  };
  const ask = (text, { remember = true, type = true } = {}) => {
    query = text;
    const is = parse(text).is;
    if (type) input.value = text.replace(/(^|\s)is:("[^"]*"|\S+)/, "").trim();
    narrow();
    if (remember) history.replaceState(null, "", text.trim() ? `#q=${encodeURIComponent(text.trim()).replaceAll("%20", "+").replaceAll("%3A", ":")}` : "#q=");
    return is;
  };
  const said = (word) => (word ? `is:${word.includes(" ") ? `"${word}"` : word}` : "");
  const pressed = () => buttons.find((button) => button.getAttribute("aria-pressed") === "true")?.dataset.show || "";
  const typed = () => {
    const words = input.value.trim();
    const is = /(^|\s)is:/.test(words) ? "" : said(pressed());
    ask([is, words].filter(Boolean).join(" "), { type: false });
    if (words) jump();
  };
  input.addEventListener("input", typed);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      ask([said(button.dataset.show), input.value.trim()].filter(Boolean).join(" "));
    });
  }
  none.querySelector("button").addEventListener("click", () => { ask(""); input.focus(); });

  // --- places ---

  const measure = () => {
    document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`);
  };
  const show = (item) => {
    for (let at = item; at; at = at.parentElement) {
      if (at.hidden && at !== bar) at.hidden = false;
      if (at.tagName === "DETAILS") at.open = true;
    }
    measure();
    item.scrollIntoView({ behavior: "instant", block: "start" });
  };
  const go = async () => {
    const hash = location.hash.slice(1);
    if (hash.startsWith("q=")) {
      ask(decodeURIComponent(hash.slice(2).replaceAll("+", " ")), { remember: false });
      if (conditions(parse(query))) jump();
      return;
    }
    const target = hash && document.getElementById(decodeURIComponent(hash));
    if (!target) return;
    const inner = target.matches(".case") ? target.querySelector("details") : target;
    show(target);
    if (inner?.tagName === "DETAILS") {
      inner.open = true;
      await unfold(inner);
    }
    show(target);
    if (target.matches(".case")) choose(target);
  };
  addEventListener("hashchange", go);

  // --- keys ---

  let chosen = null;
  const choose = (item) => {
    chosen?.classList.remove("chosen");
    chosen = item;
    item.classList.add("chosen");
    const line = item.querySelector("summary") || item;
    if (line === item) item.tabIndex = -1;
    line.focus({ preventScroll: true });
  };
  const step = (by) => {
    if (!hits.length) return;
    const at = hits.indexOf(chosen);
    const next = hits[at < 0 ? 0 : Math.min(Math.max(at + by, 0), hits.length - 1)];
    show(next);
    choose(next);
  };
  const help = document.getElementById("keys");
  document.getElementById("help").addEventListener("click", () => help.showModal());
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target === input) {
      if (event.key === "Escape") input.blur();
      if (event.key === "Enter") step(hits.indexOf(chosen) < 0 ? 0 : 1);
      return;
    }
    const act = { j: () => step(1), k: () => step(-1), "/": () => input.focus(), "?": () => help.showModal() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // --- on paper: the red cases, a line each ---

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all(".clause.red:not([open])");
    for (const clause of closed) clause.open = true;
  });
  addEventListener("afterprint", () => {
    for (const clause of closed) clause.open = false;
  });

  // --- begin ---

  for (const item of cases) {
    const link = document.createElement("a");
    link.className = "perma";
    link.href = `#${item.id}`;
    link.textContent = "#";
    link.setAttribute("aria-label", `Link to ${item.querySelector("code").textContent}`);
    item.append(link);
  }
  bar.hidden = false;
  new ResizeObserver(measure).observe(bar);
  commands(document);
  const first = document.querySelector(".picture[data-first]");
  if (first && !location.hash) first.open = true;
  if (location.hash) history.scrollRestoration = "manual"; // the address says where to
  const red = buttons.find((button) => button.dataset.show === "red");
  ask(red ? "is:red" : "", { remember: false });
  if (location.hash) go();
})();
