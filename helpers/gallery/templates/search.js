// The search of the site: all words of the query have to be in one section of a page or in one public name.
// The index is a script beside this one (search-index.js), so it works from a folder, without a server.
"use strict";

const AT_MOST = 50;
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const entries = window.SEARCH_INDEX.map(([title, page, kind, address, text]) => ({
  title, page, kind, address, text,
  title_plain: plain(title), page_plain: plain(page), text_plain: plain(text),
}));

// 0: not all words are there. A word in the title counts most, one that starts there more than one inside.
function score(entry, words) {
  let sum = 0;
  for (const word of words) {
    const at = entry.title_plain.indexOf(word);
    const starts = at === 0 || (at > 0 && !/[\p{L}\p{N}]/u.test(entry.title_plain[at - 1]));
    let found = 0;
    if (entry.title_plain === word) found += 40;
    if (at >= 0) found += starts ? 20 : 8;
    if (entry.page_plain.includes(word)) found += 4;
    found += Math.min(4, entry.text_plain.split(word).length - 1);
    if (!found) return 0;
    sum += found;
  }
  return sum;
}

// The text with each word marked, as nodes: nothing of it is ever read as HTML.
function marked(text, words) {
  const nodes = [];
  const lower = text.toLowerCase();
  let at = 0;
  while (at < text.length) {
    const next = words.map((word) => [lower.indexOf(word, at), word.length]).filter(([k]) => k >= 0)
      .sort((a, b) => a[0] - b[0] || b[1] - a[1])[0];
    if (!next) break;
    const mark = document.createElement("mark");
    mark.textContent = text.slice(next[0], next[0] + next[1]);
    nodes.push(text.slice(at, next[0]), mark);
    at = next[0] + next[1];
  }
  nodes.push(text.slice(at));
  return nodes;
}

function around(text, words) {
  const lower = text.toLowerCase();
  const at = Math.min(...words.map((word) => lower.indexOf(word)).filter((k) => k >= 0), text.length);
  const from = at === text.length || at < 70 ? 0 : text.indexOf(" ", at - 70) + 1 || at;
  return (from ? "… " : "") + text.slice(from, from + 220) + (from + 220 < text.length ? " …" : "");
}

function row(entry, words) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = entry.address;
  link.append(...marked(entry.title, words));
  const where = document.createElement("span");
  where.className = "kind";
  where.textContent = entry.page === entry.kind ? entry.kind : `${entry.kind}: ${entry.page}`;
  const words_around = document.createElement("p");
  words_around.append(...marked(around(entry.text, words), words));
  item.append(link, " ", where, words_around);
  return item;
}

function search(query) {
  const words = plain(query).split(/\s+/).filter(Boolean);
  const found = words.length
    ? entries.map((entry) => [score(entry, words), entry]).filter(([sum]) => sum).sort((a, b) => b[0] - a[0])
    : [];
  document.getElementById("found").replaceChildren(...found.slice(0, AT_MOST).map(([, entry]) => row(entry, words)));
  document.getElementById("count").textContent = !words.length ? `${entries.length} sections and names can be found.`
    : !found.length ? "Nothing has all of these words. Try fewer, or parts of them."
    : found.length > AT_MOST ? `${found.length} places, the best ${AT_MOST} of them:`
    : found.length === 1 ? "1 place:" : `${found.length} places:`;
}

const field = document.getElementById("words");
field.value = new URLSearchParams(location.search).get("q") || "";
field.addEventListener("input", () => {
  search(field.value);
  history.replaceState(null, "", field.value ? `?q=${encodeURIComponent(field.value)}` : location.pathname);
});
search(field.value);
