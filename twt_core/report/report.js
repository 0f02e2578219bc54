"use strict";
// Lists of examples: search, filters, pages. Whatever a model or a row wrote becomes a text node, and nothing else.
(() => {
  const PER_PAGE = 20;
  const GRADES = { 1: ["\u2713 right", "right"], 0: ["\u2717 wrong", "wrong"] };

  function make(tag, name, ...inside) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...inside.filter((one) => one !== null && one !== ""));
    return element;
  }

  const graded = (right) => (right === null ? "" : make("span", GRADES[right][1], GRADES[right][0]));
  const isRight = (right, wanted) => wanted === "" || wanted === (right === null ? "unknown" : right ? "right" : "wrong");
  const joined = (parts) => parts.filter((part) => part !== "" && part !== null).join(", ");

  function labelled(label, right) {
    if (label === null) return make("span", "", "no label ", graded(right));
    return make("span", "", `label \u201c${label}\u201d `, graded(right));
  }

  function head(row, answers, task) {
    const known = answers.length ? `Right answer: ${answers.join("; or ")}.` : "The right answer is not known.";
    return [make("p", "text question", row[1]), make("p", "about", [known, task && `Task ${task}.`, `Id ${row[0]}.`].filter(Boolean).join(" "))];
  }

  // A difference: n keeps so many units of the text, -n takes them out, a string is put in.
  function changed(text, steps) {
    const shown = make("p", "text");
    let at = 0;
    for (const step of steps) {
      if (typeof step === "string") { shown.append(make("ins", "", step)); continue; }
      const piece = text.slice(at, at + Math.abs(step));
      shown.append(step > 0 ? piece : make("del", "", piece));
      at += Math.abs(step);
    }
    return shown;
  }

  // Rows of queries: [id, question, right answers, task, annotations, pairs, the student's own texts].
  // Annotations: [teacher, sample, outcome, label, right, confidence, score, factors, rationale, raw text, traces].
  const queries = {
    text: (row) => [row[0], row[1], ...row[2], ...row[4].flatMap((one) => [one[3] || "", one[8] || one[9] || ""])],

    passes(row, wanted) {
      const some = row[4].some((one) =>
        (wanted.teacher === "" || one[0] === Number(wanted.teacher)) &&
        (wanted.outcome === "" || one[2] === Number(wanted.outcome)) &&
        isRight(one[4], wanted.label) &&
        (wanted.compression === "" || one[10].some((trace) => trace && (wanted.compression === "original") === (trace[1] !== null))));
      if (!some || wanted.teachers === "") return some;
      const labels = new Set(row[4].map((one) => one[3]).filter((label) => label !== null));
      return (wanted.teachers === "disagree") === (labels.size > 1);
    },

    chips: (row, data) => row[4].map((one) => make("span", "", `${data.teachers[one[0]]}: ${data.outcomes[one[2]]} `, graded(one[4]))),

    inside(row, data) {
      const shown = head(row, row[2], row[3]);
      for (const [i, j, cosine, words] of row[5]) {
        const names = `${who(row[4][i], data)} and ${who(row[4][j], data)}`;
        const alike = [`cosine similarity ${cosine === null ? "not known" : cosine.toFixed(4)}`, words !== null && `${(100 * words).toFixed(0)} % of their words in common`];
        shown.push(make("p", "about", `Selected: ${names}; ${alike.filter(Boolean).join(", ")}.`));
      }
      row[6].forEach((text, stage) => { if (text !== null) shown.push(own(text, data.stages[stage])); });
      return shown.concat(row[4].map((one) => annotation(one, data)));
    },
  };

  const who = (one, data) => data.teachers[one[0]] + (one[1] ? ` (sample ${one[1] + 1})` : "");

  function own(text, stage) {
    return make("details", "", make("summary", "", `What the student wrote before stage ${stage}`), make("p", "text", text));
  }

  function annotation(one, data) {
    const [, , outcome, label, right, confidence, score, factors, rationale, raw, traces] = one;
    const name = data.outcomes[outcome];
    const shown = make("article", name === "selected" ? "one selected" : "one", make("h3", "", who(one, data)));
    const numbers = joined([
      name, confidence !== null && `confidence ${confidence}`, score !== null && `score ${score}`,
      ...Object.entries(factors || {}).map(([factor, value]) => `${factor} ${value}`),
    ].map((part) => part || ""));
    shown.append(make("p", "about", labelled(label, right), `; ${numbers}`));
    shown.append(make("p", "text", rationale || raw || "(no text)"));
    traces.forEach((trace, stage) => {
      if (trace === null) return;
      const why = trace[1] === null ? "" : ` (original kept: ${trace[1]})`;
      shown.append(make("h4", "", `In stage ${data.stages[stage]}${why}`));
      if (trace[0].length === 1 && trace[0][0] > 0) shown.append(make("p", "about", "Unchanged."));
      else shown.append(changed(rationale, trace[0]));
    });
    return shown;
  }

  // Rows of questions: [id, question, right answers, task, answers by stage]; answers: [text, label, right, tokens, verdict].
  const questions = {
    text: (row) => [row[0], row[1], ...row[2], ...row[4].flatMap((some) => some.flatMap((one) => [one[0], one[1] || ""]))],

    passes(row, wanted) {
      const at = (stage, right) => right === "" || (stage === "" ? row[4] : [row[4][Number(stage)]])
        .some((some) => some.some((one) => isRight(one[2], right)));
      return at(wanted.from, wanted.was) && at(wanted.to, wanted.becomes);
    },

    chips: (row, data) => row[4].map((some, stage) =>
      make("span", "", `${data.stages[stage]} `, ...some.slice(0, 4).map((one) => graded(one[2]) || "not graded "))),

    inside(row, data) {
      const shown = head(row, row[2], row[3]);
      row[4].forEach((some, stage) => some.forEach((one, sample) => {
        const [text, label, right, tokens, verdict] = one;
        const name = data.stages[stage] + (sample ? ` (sample ${sample + 1})` : "");
        const about = make("p", "about", labelled(label, right), `; ${joined([tokens ? `${tokens} tokens` : "tokens not known", verdict])}`);
        shown.push(make("article", "one", make("h3", "", name), about, make("p", "text", text || "(no text)")));
      }));
      return shown;
    },
  };

  function list(root) {
    const data = JSON.parse(root.querySelector("script").textContent);
    const kind = { queries, questions }[root.dataset.kind];
    const [form, status, rows, place] = ["form", ".status", ".rows", ".place"].map((one) => root.querySelector(one));
    const [earlier, later] = [".earlier", ".later"].map((one) => root.querySelector(one));
    const texts = new Array(data.rows.length);
    let found = [];
    let page = 0;

    // Lower-cased once a row, on first need or when the browser has nothing else to do.
    const text = (at) => (texts[at] ??= kind.text(data.rows[at]).join("\n").toLowerCase());
    function prepare(from) {
      const until = performance.now() + 8;
      let at = from;
      while (at < texts.length && performance.now() < until) text(at++);
      if (at < texts.length) setTimeout(prepare, 8, at);
    }

    function filter() {
      const wanted = Object.fromEntries(new FormData(form));
      const words = wanted.search.trim().toLowerCase();
      found = [];
      data.rows.forEach((row, at) => {
        if (kind.passes(row, wanted) && (words === "" || text(at).includes(words))) found.push(at);
      });
      show(0);
    }

    function show(to) {
      page = to;
      const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
      rows.replaceChildren(...found.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((at) => rowOf(data.rows[at])));
      const all = data.rows.length.toLocaleString("en");
      status.textContent = found.length === data.rows.length ? `${all} ${root.dataset.what}` : `${found.length.toLocaleString("en")} of ${all} ${root.dataset.what}`;
      place.textContent = `page ${(page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
      earlier.disabled = page === 0;
      later.disabled = page >= pages - 1;
    }

    function rowOf(row) {
      const line = make("summary", "", make("span", "title", row[1].slice(0, 300)), make("span", "id", row[0].slice(0, 80)), make("span", "chips", ...kind.chips(row, data)));
      const shown = make("details", "row", line);
      shown.addEventListener("toggle", () => {
        if (shown.open && shown.children.length === 1) shown.append(make("div", "inside", ...kind.inside(row, data)));
      });
      return shown;
    }

    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    for (const [button, by] of [[earlier, -1], [later, 1]]) {
      button.addEventListener("click", () => { show(page + by); status.scrollIntoView({ block: "nearest" }); });
    }
    filter();
    setTimeout(prepare, 100, 0);
  }

  document.querySelectorAll(".examples").forEach(list);
})();
