// The gallery of a dictionary: a table of features with search, order and pages, and one feature at a time. Data comes as scripts that call `receive`, which a
// page may load from disk as well as from a web host.
const waiting = new Map();

// Takes the data of a file.
function receive(kind, number, values) {
  waiting.get(`${kind}-${number}`)?.(values);
}

(() => {
  const PAGE = 100;
  const [NUMBER, NAME, FACT, DENSITY, MEAN, MIN, MAX, BARS, WORDS] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const COLUMNS = { feature: NUMBER, density: DENSITY, mean: MEAN, min: MIN, max: MAX };
  const byId = (id) => document.getElementById(id);
  const main = document.querySelector("main");
  const [total, perRows, perSections] = ["features", "rows", "sections"].map((name) => Number(main.dataset[name]));
  const [form, query, order, found] = ["search", "query", "order", "found"].map(byId);
  const features = [];
  const places = new Map();
  const loaded = new Map();
  let shown = [];
  let page = 0;
  let complete = false;

  // Loads a file once.
  function load(kind, number) {
    const name = `${kind}-${number}`;
    if (!loaded.has(name)) {
      loaded.set(name, new Promise((done, failed) => {
        waiting.set(name, done);
        const script = document.createElement("script");
        script.src = `${name}.js`;
        script.onerror = () => {
          loaded.delete(name);
          failed(new Error(`${name}.js is missing beside this page: copy the whole folder of the gallery`));
        };
        document.head.append(script);
      }));
    }
    return loaded.get(name);
  }

  function say(text) {
    byId("notice").textContent = text;
    byId("notice").hidden = text === "";
  }

  const figureOf = (row) => (name) => row[COLUMNS[name]];

  // Writes a number with three significant digits.
  function significant(value) {
    if (value === null) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e6 || size < 1e-5) return value.toExponential(2);
    return value.toPrecision(3).includes("e") ? String(Math.round(value)) : value.toPrecision(3);
  }

  function cell(row, text, kind) {
    const cell = row.insertCell();
    cell.textContent = text;
    if (kind) cell.className = kind;
    return cell;
  }

  // Draws a small histogram: one digit a bar.
  function bars(digits) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", `0 0 ${Math.max(digits.length, 1) * 4} 18`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "Histogram of activations, by the logarithm of the number of tokens");
    [...digits].forEach((digit, n) => {
      const bar = document.createElementNS(space, "rect");
      bar.setAttribute("class", "bar");
      bar.setAttribute("x", n * 4);
      bar.setAttribute("y", 18 - 2 * digit);
      bar.setAttribute("width", 3);
      bar.setAttribute("height", 2 * digit);
      svg.append(bar);
    });
    return svg;
  }

  function draw() {
    const body = byId("rows");
    body.replaceChildren();
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    for (const row of shown.slice(page * PAGE, (page + 1) * PAGE)) {
      const line = body.insertRow();
      const link = document.createElement("a");
      link.href = `#f${row[NUMBER]}`;
      link.textContent = `#${row[NUMBER]}`;
      cell(line, "").append(link);
      cell(line, row[NAME], "text name");
      cell(line, row[FACT] === row[NAME] ? "" : row[FACT], "text fact");
      cell(line, significant(row[DENSITY] === null ? null : 100 * row[DENSITY]));
      cell(line, significant(row[MEAN]), "mean");
      cell(line, significant(row[MAX]));
      cell(line, "", "bars").append(bars(row[BARS]));
    }
    byId("page").textContent = `Page ${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page === pages - 1;
  }

  // Finds and sorts, and draws the first page.
  function find() {
    const search = readSearch(query.value);
    shown = features.filter((row) => isFound(search, figureOf(row), () => row.text));
    if (order.value) shown.sort((a, b) => compareBy(order.value, figureOf(a), figureOf(b)));
    const all = complete ? total : features.length;
    found.textContent = saidFound(shown.length, all, search) + (complete ? "" : " so far");
    form.classList.toggle("wrong", search.wrong !== "");
    draw();
  }

  function stateText() {
    const state = new URLSearchParams();
    if (query.value) state.set("q", query.value);
    if (order.value !== order.options[0].value) state.set("order", order.value);
    if (page) state.set("page", page + 1);
    return state.toString() ? `#?${state}` : "#";
  }

  const keep = () => history.replaceState(null, "", stateText());

  // Shows the table as the address has it.
  function showList() {
    const state = readState();
    query.value = state.get("q") ?? "";
    order.value = state.get("order") ?? order.options[0].value;
    if (order.selectedIndex < 0) order.selectedIndex = 0;
    byId("one").hidden = true;
    byId("list").hidden = false;
    document.title = document.querySelector("h1").textContent;
    find();
    page = Number(state.get("page") ?? 1) - 1 || 0;
    draw();
  }

  // Shows the section of a feature.
  async function showOne(number) {
    const place = places.get(number);
    if (place === undefined) {
      if (complete) say(`Feature ${number} is not in this gallery.`);
      return;
    }
    let sections;
    try {
      sections = await load("sections", Math.floor(place / perSections));
    } catch (why) {
      say(why.message);
      return;
    }
    if (location.hash !== `#f${number}`) return;
    say("");
    byId("list").hidden = true;
    byId("one").hidden = false;
    // The section is written by Umbra with all text escaped.
    byId("section").innerHTML = sections[place % perSections];
    document.title = byId("section").querySelector("h2").textContent;
    const at = shown.findIndex((row) => row[NUMBER] === number);
    byId("before").disabled = at <= 0;
    byId("after").disabled = at < 0 || at + 1 >= shown.length;
    window.scrollTo(0, 0);
  }

  function route() {
    const one = /^#f(\d+)$/.exec(location.hash);
    if (one) showOne(Number(one[1]));
    else showList();
  }

  // Goes to the feature before or after the one that is shown, as the table has them.
  function step(by) {
    const one = /^#f(\d+)$/.exec(location.hash);
    const at = one ? shown.findIndex((row) => row[NUMBER] === Number(one[1])) : -1;
    const to = shown[one && at >= 0 ? at + by : 0];
    if (to) location.hash = `#f${to[NUMBER]}`;
  }

  function turn(by) {
    page += by;
    draw();
    keep();
    window.scrollTo(0, 0);
  }

  function back() {
    location.hash = stateText();
  }

  query.addEventListener("input", paused(() => {
    page = 0;
    if (byId("list").hidden) {
      back();
    } else {
      find();
      keep();
    }
  }, 80));
  order.addEventListener("change", () => {
    page = 0;
    if (byId("list").hidden) {
      back();
    } else {
      find();
      keep();
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  byId("back").addEventListener("click", back);
  byId("before").addEventListener("click", () => step(-1));
  byId("after").addEventListener("click", () => step(1));
  window.addEventListener("hashchange", route);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select")) {
      if (event.key === "Enter" && event.target === query && shown.length === 1) step(0);
      return;
    }
    const keys = {
      "/": () => query.focus(),
      j: () => step(1),
      k: () => step(-1),
      Escape: () => { if (byId("list").hidden) back(); },
    };
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  // Loads the table, and shows what there is after each file.
  async function begin() {
    form.hidden = false;
    document.documentElement.classList.add("scripted");
    const files = Math.ceil(total / perRows);
    for (let number = 0; number < files; number += 1) {
      try {
        for (const row of await load("rows", number)) {
          row.text = `#${row[NUMBER]} ${row[NAME]} ${row[FACT]} ${row[WORDS]}`.toLowerCase();
          places.set(row[NUMBER], features.length);
          features.push(row);
        }
      } catch (why) {
        say(why.message);
        return;
      }
      complete = features.length === total;
      if (number === 0 || complete) {
        query.value = readState().get("q") ?? "";
        find();
        route();
      }
    }
  }

  begin();
})();
