// Search, order and keys of a report's page. Without a script the page shows every feature, in order.
(() => {
  const main = document.querySelector("main");
  const sections = [...main.querySelectorAll("section.feature")];
  const links = new Map();
  for (const link of document.querySelectorAll("nav.contents a")) links.set(link.hash.slice(1), link);
  const features = sections.map((section, place) => {
    let words = null;
    return {
      section,
      place,
      link: links.get(section.id),
      figure: (name) => Number(section.dataset[name]),
      text: () => (words ??= section.textContent.toLowerCase()),
    };
  });
  const [form, query, order, found] = ["search", "query", "order", "found"].map((id) => document.getElementById(id));

  function show() {
    const search = readSearch(query.value);
    let many = 0;
    for (const feature of features) {
      const shown = isFound(search, feature.figure, feature.text);
      feature.section.hidden = !shown;
      if (feature.link) feature.link.hidden = !shown;
      many += shown;
    }
    found.textContent = saidFound(many, features.length, search);
    form.classList.toggle("wrong", search.wrong !== "");
  }

  function arrange() {
    const sorted = [...features];
    sorted.sort((a, b) => (order.value ? compareBy(order.value, a.figure, b.figure) : a.place - b.place));
    for (const feature of sorted) {
      main.append(feature.section);
      if (feature.link) feature.link.parentNode.append(feature.link);
    }
  }

  function keep() {
    const state = new URLSearchParams();
    if (query.value) state.set("q", query.value);
    if (order.value) state.set("order", order.value);
    const text = state.toString();
    history.replaceState(null, "", text ? `#?${text}` : location.pathname + location.search);
  }

  function restore() {
    if (location.hash && !location.hash.startsWith("#?")) return;
    const state = readState();
    query.value = state.get("q") ?? "";
    order.value = state.get("order") ?? "";
    if (order.selectedIndex < 0) order.value = "";
    arrange();
    show();
  }

  function step(by) {
    const shown = features.map((feature) => feature.section).filter((section) => !section.hidden);
    shown.sort((a, b) => a.offsetTop - b.offsetTop);
    const top = form.offsetHeight + 24;
    const at = shown.findIndex((section) => section.getBoundingClientRect().bottom > top);
    const inside = at >= 0 && shown[at].getBoundingClientRect().top <= top;
    const to = shown[by > 0 && !inside ? Math.max(at, 0) : at + by];
    if (to) to.scrollIntoView();
  }

  query.addEventListener("input", paused(() => { show(); keep(); }, 80));
  order.addEventListener("change", () => { arrange(); keep(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", restore);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select")) {
      if (event.key === "Escape" && event.target === query) {
        query.value = "";
        show();
        keep();
      }
      return;
    }
    if (event.key === "/") {
      event.preventDefault();
      query.focus();
    } else if (event.key === "j" || event.key === "k") {
      step(event.key === "j" ? 1 : -1);
    }
  });
  form.hidden = false;
  document.documentElement.classList.add("scripted");
  show();
  if (location.hash.startsWith("#?")) restore();
})();
