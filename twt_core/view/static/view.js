"use strict";
// Asks for the page anew while it is open and changes what is different, so that focus, selection and scrolling stay.

const SLOWEST = 8000;
const PATIENCE = 20000;
let tag = "";
let failures = 0;
let timer = 0;

const main = () => document.querySelector("main");

async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, {
      headers: tag ? { "If-None-Match": tag } : {},
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.status !== 304) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.querySelector("main")) throw new Error("no page");
      show(fresh);
      tag = answer.headers.get("ETag") || "";
    }
    failures = 0;
  } catch {
    failures += 1;
  }
  document.querySelector("#lost").hidden = failures === 0;
  const every = Number(main().dataset.every);
  if (every) timer = setTimeout(look, Math.min(every * 2 ** failures, Math.max(every, SLOWEST)));
}

function show(fresh) {
  const news = fresh.querySelector("main").dataset.news;
  if (news !== main().dataset.news) document.querySelector("#news").textContent = news;
  document.title = fresh.title;
  const lines = document.querySelector(".lines");
  const following = lines && lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 4;
  merge(main(), fresh.querySelector("main"));
  if (following) lines.scrollTop = lines.scrollHeight;
}

/** Make `old` like `fresh`, keeping the nodes that both have. */
function merge(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const kept = counterpart(old, place, child);
    if (!kept) {
      old.insertBefore(child, place);
      continue;
    }
    if (kept === place) place = place.nextSibling;
    else old.insertBefore(kept, place);
    merge(kept, child);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** The child of `old` that `child` is the new state of: the one of its id, or the one in its place. */
function counterpart(old, place, child) {
  if (child.id) return [...old.children].find((one) => one.id === child.id && one.nodeName === child.nodeName);
  return place && !place.id && place.nodeType === child.nodeType && place.nodeName === child.nodeName ? place : null;
}

const lines = document.querySelector(".lines");
if (lines) lines.scrollTop = lines.scrollHeight;
if (Number(main().dataset.every)) {
  document.addEventListener("visibilitychange", look);
  timer = setTimeout(look, Number(main().dataset.every));
}
