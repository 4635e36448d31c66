//! Reports and galleries opened in headless Chromium: they load nothing from elsewhere, say nothing on the console, and their search finds. Without Chromium the
//! tests are skipped and say so; with `REQUIRE_CHROMIUM=1`, which `.ci/run` sets, they fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use umbra_core::FeatureIndex;
use umbra_tests::at;

use crate::umbra;

/// Programs by which systems know it.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Begins every driver: `say` ends the test with an answer, `pause` waits, `type` puts text into the search as a person does.
const BEGIN: &str = r#"
addEventListener("load", async () => {
  const errors = [];
  addEventListener("error", (event) => errors.push(String(event.message)));
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const type = async (text) => {
    const query = document.getElementById("query");
    query.value = text;
    query.dispatchEvent(new Event("input"));
    await pause(300);
  };
  const until = async (is) => { for (let n = 0; n < 200 && !is(); n += 1) await pause(50); };
  const say = (answer) => {
    answer.errors = errors;
    answer.loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
    const place = document.createElement("pre");
    place.id = "answer";
    place.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(answer))));
    document.body.append(place);
  };
"#;

/// Searches and sorts the features of a report, and says which are shown.
const REPORT: &str = r##"
      const shown = () => [...document.querySelectorAll("section.feature")].filter((s) => !s.hidden).map((s) => Number(s.dataset.feature));
      const said = () => document.getElementById("found").textContent;
      const answer = { all: shown() };
      await type("Queen");
      answer.queen = shown();
      answer.saidQueen = said();
      answer.wrongly = [...document.querySelectorAll("section.feature")].filter((s) => s.hidden === s.textContent.toLowerCase().includes("queen")).length;
      answer.address = location.hash;
      await type("density<0.1%");
      answer.rare = shown();
      await type("density<");
      answer.saidWrong = said();
      await type("");
      const order = document.getElementById("order");
      order.value = "-density";
      order.dispatchEvent(new Event("change"));
      answer.densest = shown();
      location.hash = "#?q=max%3E25";
      await pause(300);
      answer.strong = shown();
      say(answer);
    "##;

/// Searches, sorts and turns pages of a gallery, and opens features.
const GALLERY: &str = r##"
      const said = () => document.getElementById("found").textContent;
      const row = (at) => document.querySelectorAll("#rows tr")[at];
      const section = () => document.querySelector("#section section.feature");
      const answer = {};
      await until(() => !said().includes("so far") && row(0));
      answer.all = said();
      answer.rows = document.querySelectorAll("#rows tr").length;
      await type("density<0.05%");
      answer.rare = said();
      await type("max>=10 density<1%");
      answer.both = said();
      const order = document.getElementById("order");
      order.value = "-density";
      order.dispatchEvent(new Event("change"));
      await type("");
      answer.first = Number(row(0).cells[0].textContent.slice(1));
      answer.bars = row(0).querySelectorAll("rect").length;
      document.getElementById("next").click();
      answer.page = document.getElementById("page").textContent;
      answer.address = location.hash;
      row(0).querySelector("a").click();
      await until(() => section());
      answer.opened = section().id;
      answer.linked = Number(location.hash.slice(2));
      document.getElementById("after").click();
      const before = section().id;
      await until(() => section().id !== before);
      answer.after = section().id;
      location.hash = "#f2047";
      await until(() => section().id === "f2047");
      answer.last = section().querySelector("h2").textContent;
      document.getElementById("back").click();
      await pause(200);
      answer.back = !document.getElementById("list").hidden;
      location.hash = "#f99999";
      await pause(200);
      answer.notice = document.getElementById("notice").textContent;
      say(answer);
    "##;

/// Returns the browser; none, said aloud, where there is none.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn chromium() -> Option<&'static str> {
    let starts = |program: &&str| {
        let mut version = Command::new(program);
        let output = version.arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = PROGRAMS.iter().find(|program| starts(program)).copied();
    if found.is_none() {
        let required = std::env::var_os("REQUIRE_CHROMIUM").is_some_and(|value| value == "1");
        assert!(!required, "no Chromium, and REQUIRE_CHROMIUM is 1");
        println!("skipped: no Chromium");
    }
    found
}

/// Opens the page, runs `driver` in it, and returns the driver's answer and what stood on the console. No host can be reached.
fn answer(program: &str, page: &Path, driver: &str) -> (Value, Vec<String>) {
    let driven = page.with_file_name("driven.html");
    let text = fs::read_to_string(page).unwrap();
    let script = format!("<script>{BEGIN}{driver}}});</script>\n</body>");
    fs::write(&driven, text.replacen("</body>", &script, 1)).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
        ])
        .args([
            "--virtual-time-budget=60000",
            "--timeout=60000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", driven.display()))
        .output()
        .unwrap();
    fs::remove_file(&driven).unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let console = log.lines().filter(|line| line.contains("CONSOLE"));
    let console: Vec<String> = console.map(str::to_owned).collect();
    let page = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = page
        .split_once("<pre id=\"answer\">")
        .unwrap_or_else(|| panic!("the driver gave no answer: {console:?}\n{log}"));
    let (coded, _) = rest.split_once('<').unwrap();
    let answer = serde_json::from_slice(&decoded(coded)).unwrap();
    (answer, console)
}

/// Reads base64.
fn decoded(text: &str) -> Vec<u8> {
    let mut bits = 0_u32;
    let mut many = 0;
    let mut bytes = Vec::new();
    for c in text.bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(six);
        many += 6;
        if many >= 8 {
            many -= 8;
            bytes.push((bits >> many) as u8);
        }
    }
    bytes
}

/// Checks that nothing went wrong and that every file came from `folder`.
#[track_caller]
fn is_quiet((answer, console): &(Value, Vec<String>), folder: &Path) {
    assert_eq!(console, &Vec::<String>::new());
    assert_eq!(answer["errors"], serde_json::json!([]));
    let own = format!("file://{}/", folder.display());
    for loaded in answer["loaded"].as_array().unwrap() {
        let loaded = loaded.as_str().unwrap();
        assert!(
            loaded.starts_with(&own) || loaded.starts_with("data:"),
            "{loaded}"
        );
    }
}

fn numbers(value: &Value) -> BTreeSet<u32> {
    let all = value.as_array().unwrap().iter();
    all.map(|number| number.as_u64().unwrap() as u32).collect()
}

#[test]
fn a_report_is_searched_and_sorted_offline_without_errors() {
    let Some(program) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/resid-2.sqlite");
    let args = ["report", &index, "--features", "top:150", "--out"];
    umbra(folder.path(), &[&args[..], &["r.html"]].concat()).done();
    umbra(folder.path(), &[&args[..], &["r.json"]].concat()).done();
    let json: Value =
        serde_json::from_slice(&fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    let features = json["features"].as_array().unwrap();
    let page = folder.path().join("r.html");
    let of_page = answer(program, &page, REPORT);
    is_quiet(&of_page, folder.path());
    let answer = of_page.0;
    let chosen = |keep: &dyn Fn(&Value) -> bool| -> BTreeSet<u32> {
        let kept = features.iter().filter(|feature| keep(feature));
        kept.map(|feature| feature["feature"].as_u64().unwrap() as u32)
            .collect()
    };
    let says = |feature: &Value, word: &str| {
        let drawn = feature["intervals"].as_array().unwrap().iter();
        let drawn = drawn.flat_map(|interval| interval["examples"].as_array().unwrap());
        let mut examples = feature["examples"].as_array().unwrap().iter().chain(drawn);
        examples.any(|example| {
            let tokens = example["tokens"].as_array().unwrap().iter();
            let text: String = tokens.map(|token| token.as_str().unwrap()).collect();
            text.to_lowercase().contains(word)
        })
    };
    assert_eq!(numbers(&answer["all"]).len(), 150);
    let queen = numbers(&answer["queen"]);
    assert!(queen.len() < 150 && answer["wrongly"] == 0, "{answer}");
    let in_examples = chosen(&|feature| says(feature, "queen"));
    assert!(!in_examples.is_empty() && queen.is_superset(&in_examples));
    let said = answer["saidQueen"].as_str().unwrap();
    assert_eq!(said, format!("{} of 150 features", queen.len()));
    assert_eq!(answer["address"], "#?q=Queen");
    let below = |feature: &Value| feature["density"].as_f64().unwrap() < 1e-3;
    assert_eq!(numbers(&answer["rare"]), chosen(&below));
    assert!(
        answer["saidWrong"]
            .as_str()
            .unwrap()
            .contains("write a number")
    );
    let above = |feature: &Value| feature["max"].as_f64().unwrap() > 25.0;
    assert_eq!(numbers(&answer["strong"]), chosen(&above));
    let mut densest: Vec<&Value> = features.iter().collect();
    densest.sort_by(|a, b| {
        let density = |of: &Value| of["density"].as_f64().unwrap();
        let by_number = a["feature"].as_u64().cmp(&b["feature"].as_u64());
        density(b).total_cmp(&density(a)).then(by_number)
    });
    let densest: Vec<&Value> = densest.iter().map(|of| &of["feature"]).collect();
    let got: Vec<&Value> = answer["densest"].as_array().unwrap().iter().collect();
    assert_eq!(got, densest);
}

#[test]
fn a_gallery_of_a_whole_dictionary_is_browsed_from_disk_without_errors() {
    let Some(program) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/resid-2.sqlite");
    umbra(folder.path(), &["report", &index, "--gallery", "site"]).done();
    let site = folder.path().join("site");
    let of_site = answer(program, &site.join("index.html"), GALLERY);
    is_quiet(&of_site, &site);
    let answer = of_site.0;
    let summaries = FeatureIndex::open(Path::new(&index))
        .unwrap()
        .summaries()
        .unwrap();
    let many = |keep: &dyn Fn(f64, f64) -> bool| {
        let kept = summaries.iter().filter(|s| keep(s.density, s.max));
        kept.count()
    };
    assert_eq!(answer["all"], "2\u{202f}048 features");
    assert_eq!(answer["rows"], 100);
    let found = |many: usize| format!("{many} of 2\u{202f}048 features");
    assert_eq!(answer["rare"], found(many(&|density, _| density < 5e-4)));
    let both = many(&|density, max| density < 0.01 && max >= 10.0);
    assert!(both > 0 && both < 1000);
    assert_eq!(answer["both"], found(both));
    let mut densest: Vec<_> = summaries.iter().collect();
    densest.sort_by(|a, b| b.density.total_cmp(&a.density));
    assert_eq!(answer["first"], densest[0].feature.0);
    assert!(answer["bars"].as_u64().unwrap() > 5);
    assert_eq!(answer["page"], "Page 2 of 21");
    assert_eq!(answer["address"], "#?order=-density&page=2");
    assert_eq!(answer["opened"], format!("f{}", answer["linked"]));
    assert_eq!(answer["opened"], format!("f{}", densest[100].feature));
    assert_eq!(answer["after"], format!("f{}", densest[101].feature));
    assert!(
        answer["last"].as_str().unwrap().starts_with("#2047"),
        "{answer}"
    );
    assert_eq!(answer["back"], true);
    assert!(answer["notice"].as_str().unwrap().contains("99999"));
    // Files stay small, so that a page needs few bytes whatever the size of the dictionary.
    for file in fs::read_dir(&site).unwrap() {
        let file = file.unwrap();
        let size = file.metadata().unwrap().len();
        assert!(size < 2_500_000, "{:?}: {size}", file.file_name());
    }
}

#[test]
fn a_gallery_replaces_only_its_own_files_and_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/attn-0.sqlite");
    let site = folder.path().join("site");
    umbra(folder.path(), &["report", &index, "--gallery", "site"]).done();
    let again = ["report", &index, "--features", "1,2", "--gallery", "site"];
    umbra(folder.path(), &again).refused(&["site", "a gallery of features", "--overwrite"]);
    fs::write(site.join("notes.txt"), "mine").unwrap();
    umbra(folder.path(), &[&again[..], &["--overwrite"]].concat()).done();
    let names = umbra_tests::names(&site);
    assert!(names.iter().any(|name| name == "notes.txt"));
    let data = names.iter().filter(|name| name.starts_with("sections-"));
    assert_eq!(data.count(), 1);
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("index.html"), "mine").unwrap();
    let into = ["report", &index, "--gallery", "other"];
    umbra(folder.path(), &into).refused(&["index.html", "another site"]);
    assert_eq!(fs::read(other.join("index.html")).unwrap(), b"mine");
}

/// Policy of reports and galleries: what it forbids stands on the console.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'\">";

#[test]
fn a_page_that_loads_or_complains_is_seen() {
    let Some(program) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let planted = [
        "<script>console.error('planted')</script>",
        "<script>throw new Error('planted')</script>",
        "<img src=\"https://example.org/planted.png\">",
    ];
    for fault in planted {
        fs::write(
            &page,
            format!("<html><head>{POLICY}</head><body>{fault}</body></html>"),
        )
        .unwrap();
        let (_, console) = answer(program, &page, "say({});");
        assert!(!console.is_empty(), "{fault}");
    }
    fs::write(&page, "<html><body>quiet</body></html>").unwrap();
    is_quiet(&answer(program, &page, "say({});"), folder.path());
}
