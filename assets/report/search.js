"use strict";
// The search of a report's page and of a gallery.

// Figures that a condition may compare.
const FIGURES = ["feature", "density", "mean", "min", "max"];

// Reads a search: words and "phrases" that must all be there, #12 for a feature, and conditions such as density<0.1% or max>=5. Curly quotes are taken as straight.
function readSearch(text) {
  const search = { words: [], numbers: [], conditions: [], wrong: "" };
  const piece = /"([^"]*)"?|(\S+)/g;
  for (const [, phrase, word] of text.replace(/[“”]/g, '"').matchAll(piece)) {
    if (phrase !== undefined) {
      if (phrase) search.words.push(phrase.toLowerCase());
      continue;
    }
    const number = /^#(\d+)$/.exec(word);
    if (number) {
      search.numbers.push(Number(number[1]));
      continue;
    }
    const condition = /^([a-z]+)(<=|>=|<|>|=)(.*)$/i.exec(word);
    if (!condition || !FIGURES.includes(condition[1].toLowerCase())) {
      search.words.push(word.toLowerCase());
      continue;
    }
    const [, figure, sign, value] = condition;
    const share = value.endsWith("%");
    const bound = share ? Number(value.slice(0, -1)) / 100 : Number(value);
    if (value === "" || value === "%" || Number.isNaN(bound)) {
      search.wrong = `${word}: write a number after ${sign}`;
      continue;
    }
    search.conditions.push([figure.toLowerCase(), sign, bound]);
  }
  return search;
}

const COMPARE = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
};

// Whether a feature is found: `figure(name)` returns one of its figures, `text()` its text in lower case.
function isFound(search, figure, text) {
  if (search.numbers.length && !search.numbers.includes(figure("feature"))) return false;
  for (const [name, sign, bound] of search.conditions) {
    const value = figure(name);
    if (value === null || !COMPARE[sign](value, bound)) return false;
  }
  if (!search.words.length) return true;
  const all = text();
  return search.words.every((word) => all.includes(word));
}

// Compares two features for an order: a figure's name, with a minus for the largest first. Ties go by number; a missing value goes last.
function compareBy(order, a, b) {
  const down = order.startsWith("-");
  const name = down ? order.slice(1) : order;
  const [x, y] = [a(name), b(name)];
  if (x !== y) {
    if (x === null) return 1;
    if (y === null) return -1;
    return down ? y - x : x - y;
  }
  return a("feature") - b("feature");
}

// Says how many features were found.
function saidFound(found, all, search) {
  if (search.wrong) return search.wrong;
  const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const features = all === 1 ? "feature" : "features";
  return found === all ? `${number(all)} ${features}` : `${number(found)} of ${number(all)} ${features}`;
}

// The state after `#?` in the address, so that a search can be kept and shared.
function readState() {
  const hash = location.hash;
  return new URLSearchParams(hash.startsWith("#?") ? hash.slice(2) : "");
}

// Waits until a person pauses.
function paused(act, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds);
  };
}
