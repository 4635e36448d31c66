//! Writes the section of one feature: its figures, facts, tokens, relations and examples. The page and the gallery show the same section.

use super::pieces::{add, count, escape, put, significant, token_text};
use super::{Reported, figures, plots};
use crate::features::correlations::{Correlated, OfFeature};
use crate::features::families::Family;
use crate::features::{
    self, Counting, Detail, Example, Interval, Relations, Summary, TokenEffect, TokenUse, Uses,
    Written,
};
use crate::ids::FeatureId;

/// Tokens, and features, of a layer that a cross-layer feature writes.
const LAYER_TOKENS: usize = 6;

/// Whether a feature has a section that can be linked.
pub(super) type IsThere<'l> = &'l dyn Fn(FeatureId) -> bool;

/// Writes the section. Other features are linked where they have a section.
pub(super) fn section(page: &mut String, reported: &Reported, is_there: IsThere<'_>) {
    let detail = &reported.detail;
    let summary = &detail.summary;
    put(
        page,
        format_args!(
            "<section class=\"feature\" id=\"f{0}\" data-feature=\"{0}\" data-density=\"{1:e}\" data-mean=\"{2:e}\" data-min=\"{3:e}\" data-max=\"{4:e}\">\n\
             <h2><span class=\"number\">#{0}</span> {5}</h2>",
            summary.feature,
            summary.density,
            summary.mean,
            summary.min,
            summary.max,
            escape(&reported.name()),
        ),
    );
    scalars(page, summary, detail.uses.as_ref());
    if detail.top.is_empty() {
        page.push_str("<p class=\"secondary\">Never active on this text</p>\n");
    }
    known(page, reported);
    page.push_str("<div class=\"figures\">\n");
    for (title, svg, caption) in drawn(detail) {
        put(
            page,
            format_args!(
                "<figure><h3>{title}</h3>\n{svg}<figcaption>{caption}</figcaption></figure>"
            ),
        );
    }
    effects(page, "Promoted tokens", "promoted", &detail.promoted);
    effects(page, "Suppressed tokens", "suppressed", &detail.suppressed);
    page.push_str("</div>\n");
    written(page, &detail.written, is_there);
    related(page, reported, is_there);
    if !detail.top.is_empty() {
        put(
            page,
            format_args!(
                "<h3>Strongest examples</h3>\n<p class=\"secondary\">{} token is the example’s</p>",
                scale(summary)
            ),
        );
        let most = summary.strongest().abs();
        examples(page, (&detail.top, &detail.loss_effects), most);
    }
    for interval in &detail.intervals {
        level(page, interval, summary.strongest().abs());
    }
    page.push_str("</section>\n");
}

/// Title, drawing and caption of each figure that a feature has.
pub(super) fn drawn(detail: &Detail) -> Vec<(&'static str, String, &'static str)> {
    let mut drawn = Vec::new();
    if !detail.histogram.counts.is_empty() {
        let (svg, caption) = figures::histogram(&detail.histogram);
        drawn.push(("Histogram", svg, caption));
    }
    if !detail.log_histogram.counts.is_empty() {
        let svg = figures::log_histogram(&detail.log_histogram);
        let caption = "Size of the activation, in bins of equal ratio; number of tokens";
        drawn.push(("Histogram by ratio", svg, caption));
    }
    if let Some(uses) = detail
        .uses
        .as_ref()
        .filter(|uses| !uses.by_position.is_empty())
    {
        let caption = "Position in the row; share of the tokens there on which it is active";
        drawn.push(("By position", figures::positions(uses), caption));
    }
    if !detail.logits.counts.is_empty() {
        let (svg, caption) = figures::logits(&detail.logits);
        drawn.push(("Effects on logits", svg, caption));
    }
    if !detail.head_shares.is_empty() {
        let svg = figures::head_shares(&detail.head_shares, "Share of each head");
        drawn.push(("Head shares", svg, "Head; share of the decoder row’s norm"));
    }
    if !detail.head_attribution.is_empty() {
        let svg = figures::head_shares(&detail.head_attribution, "Attribution to each head");
        let caption = "Head; share of the attribution at the strongest examples";
        drawn.push(("Head attribution", svg, caption));
    }
    drawn
}

/// Name and value of every scalar of a feature, in order.
pub(super) fn scalars_of(summary: &Summary, uses: Option<&Uses>) -> Vec<(&'static str, String)> {
    let mut scalars = vec![
        (
            "density",
            format!("{} %", significant(100.0 * summary.density)),
        ),
        ("mean", significant(summary.mean)),
    ];
    if summary.min < 0.0 {
        scalars.push(("min", significant(summary.min)));
    }
    scalars.push(("max", significant(summary.max)));
    if let Some(moments) = summary.moments {
        scalars.extend([
            ("variance", finite(moments.variance)),
            ("skewness", finite(moments.skewness)),
            ("kurtosis", finite(moments.kurtosis)),
        ]);
    }
    scalars.push(("decoder norm", significant(summary.decoder_norm)));
    if let Some(cosine) = summary.encoder_decoder_cosine {
        scalars.push(("encoder–decoder cosine", significant(cosine)));
    }
    if let Some(uses) = uses.filter(|_| summary.density > 0.0) {
        let share = format!("{} %", significant(100.0 * uses.first_token));
        scalars.push(("first tokens", share));
    }
    scalars
}

/// Writes a number; a dash for one that is undefined.
fn finite(value: f64) -> String {
    plots::number(Some(value).filter(|value| value.is_finite()))
}

fn scalars(page: &mut String, summary: &Summary, uses: Option<&Uses>) {
    page.push_str("<dl class=\"scalars\">");
    for (name, value) in scalars_of(summary, uses) {
        add(
            page,
            format_args!("<div><dt>{name}</dt><dd>{value}</dd></div>"),
        );
    }
    page.push_str("</dl>\n");
}

/// Returns the family of a feature with the tokens of context that it needs, as a phrase.
pub(super) fn family(reported: &Reported) -> Option<String> {
    let measured = reported.family.as_ref()?;
    let family = measured.family()?;
    let reach = measured.reach.and_then(|reach| reach.reach());
    Some(match (family, reach, &measured.induction) {
        (Family::Induction, _, Some(induction)) => format!(
            "induction: {} is next by induction at {:.0} % of its strongest tokens",
            quoted(&induction.text),
            100.0 * induction.specificity()
        ),
        (Family::Local | Family::LongRange, Some(1), _) => {
            format!("{family}: the last token is enough")
        }
        (Family::Local | Family::LongRange, Some(tokens), _) => {
            format!("{family}: the last {tokens} tokens are enough")
        }
        (Family::LongRange, None, _) => format!("{family}: the last 32 tokens are not enough"),
        _ => family.to_string(),
    })
}

/// Quotes a token on one line.
pub(super) fn quoted(token: &str) -> String {
    format!(
        "‹{}›",
        token.replace("\r\n", "⏎").replace(['\n', '\r'], "⏎")
    )
}

/// Writes the facts and the family.
fn known(page: &mut String, reported: &Reported) {
    if let Some(family) = family(reported) {
        put(page, format_args!("<p>Family {}</p>", escape(&family)));
    }
    if reported.facts.is_empty() {
        return;
    }
    page.push_str(
        "<h3>Facts</h3>\n<div class=\"wide\"><table class=\"study\"><thead><tr><th class=\"text\">fact</th><th>precision, %</th><th>recall, %</th>\
         <th>score</th><th>active tokens</th></tr></thead><tbody>\n",
    );
    for fact in &reported.facts {
        let recall = fact
            .recall
            .map_or("–".to_owned(), |recall| format!("{:.1}", 100.0 * recall));
        put(
            page,
            format_args!(
                "<tr><td class=\"text\">{}</td><td>{:.1}</td><td>{recall}</td><td>{}</td><td>{}</td></tr>",
                escape(&fact.said()).replace('\n', "⏎"),
                100.0 * fact.precision,
                significant(fact.score),
                count(fact.active)
            ),
        );
    }
    page.push_str("</tbody></table></div>\n");
}

/// Writes what a cross-layer feature writes at each hook.
fn written(page: &mut String, written: &[Written], is_there: IsThere<'_>) {
    if written.is_empty() {
        return;
    }
    page.push_str(
        "<h3>Written in each layer</h3>\n<div class=\"wide\"><table class=\"study\"><thead><tr><th class=\"text\">hook</th><th>decoder norm</th>\
         <th class=\"text\">promoted</th><th class=\"text\">suppressed</th><th class=\"text\">nearest decoder rows</th></tr></thead><tbody>\n",
    );
    for at in written {
        let tokens = |effects: &[TokenEffect]| {
            let effects = effects.iter().take(LAYER_TOKENS);
            let quoted: Vec<String> = effects.map(|effect| quoted(&effect.text)).collect();
            escape(&quoted.join(" "))
        };
        let neighbours = at.neighbours.iter().take(LAYER_TOKENS);
        let neighbours: Vec<String> = neighbours
            .map(|other| {
                let cosine = significant(other.cosine.into());
                format!("{} {cosine}", link(other.feature, is_there))
            })
            .collect();
        put(
            page,
            format_args!(
                "<tr><td class=\"text\">{}</td><td>{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td></tr>",
                at.hook,
                significant(at.norm),
                tokens(&at.promoted),
                tokens(&at.suppressed),
                neighbours.join(", ")
            ),
        );
    }
    page.push_str("</tbody></table></div>\n");
}

/// Writes the number of a feature, as a link where it has a section.
fn link(feature: FeatureId, is_there: IsThere<'_>) -> String {
    if is_there(feature) {
        format!("<a href=\"#f{feature}\">#{feature}</a>")
    } else {
        format!("#{feature}")
    }
}

/// Writes tokens on which it is active, other features and neurons.
fn related(page: &mut String, reported: &Reported, is_there: IsThere<'_>) {
    let detail = &reported.detail;
    if detail.uses.is_none() && detail.relations.is_none() && reported.correlated.is_none() {
        return;
    }
    page.push_str("<div class=\"figures\">\n");
    if let Some(uses) = &detail.uses {
        let counted = counted(uses.counting);
        tokens(page, ("Tokens by mean", counted), &uses.by_mean);
        tokens(page, ("Tokens by count", counted), &uses.by_count);
        tokens(page, ("Tokens before", counted), &uses.preceding);
    }
    if let Some(relations) = &detail.relations {
        others(page, relations, is_there);
    }
    if let Some(correlated) = &reported.correlated {
        correlations(page, correlated, is_there);
    }
    page.push_str("</div>\n");
}

/// Writes the features and neurons with the largest correlations.
fn correlations(page: &mut String, correlated: &OfFeature, is_there: IsThere<'_>) {
    let cells =
        |of: &Correlated, name: String| [name, significant(of.pearson), significant(of.cosine)];
    let features = correlated.features.iter();
    let rows = features.map(|of| cells(of, link(FeatureId(of.other), is_there)));
    let heads = ["feature", "Pearson", "cosine"];
    small(page, ("Correlated features", ""), heads, rows);
    let neurons = correlated.neurons.iter();
    let rows = neurons.map(|of| cells(of, of.other.to_string()));
    let heads = ["neuron", "Pearson", "cosine"];
    small(page, ("Correlated neurons", ""), heads, rows);
}

/// Returns how pairs were counted, where that needs saying.
pub(super) fn counted(counting: Counting) -> &'static str {
    match counting {
        Counting::Exact => "",
        Counting::Sketched => "; candidates by a sketch, their counts exact",
        Counting::Approximate => "; merged from sketches, counts may be too low",
    }
}

fn tokens(page: &mut String, (title, counted): (&str, &str), uses: &[TokenUse]) {
    let rows = uses
        .iter()
        .map(|of| [token_text(&of.text), count(of.count), significant(of.mean)]);
    let heads = ["token", "count", "mean"];
    small(page, (title, counted), heads, rows);
}

fn others(page: &mut String, relations: &Relations, is_there: IsThere<'_>) {
    let link = |feature| link(feature, is_there);
    let neighbours = relations.neighbours.iter();
    let rows = neighbours.map(|other| [link(other.feature), significant(other.cosine.into())]);
    let title = "Nearest decoder rows";
    small(page, (title, ""), ["feature", "cosine"], rows);
    let rows = relations.coactive.iter().map(|other| {
        [
            link(other.feature),
            count(other.both),
            significant(other.jaccard),
        ]
    });
    let title = ("Active together", counted(relations.counting));
    small(page, title, ["feature", "tokens", "Jaccard"], rows);
    let neurons = relations.neurons.iter();
    let rows = neurons.map(|other| [other.neuron.to_string(), significant(other.cosine.into())]);
    small(page, ("Aligned neurons", ""), ["neuron", "cosine"], rows);
}

/// Writes a small table; nothing where it has no rows.
fn small<const N: usize>(
    page: &mut String,
    (title, note): (&str, &str),
    heads: [&str; N],
    rows: impl ExactSizeIterator<Item = [String; N]>,
) {
    if rows.len() == 0 {
        return;
    }
    add(
        page,
        format_args!(
            "<div><h3>{title}<span class=\"secondary\">{note}</span></h3>\n<table class=\"small\"><thead><tr>"
        ),
    );
    for head in heads {
        add(page, format_args!("<th>{head}</th>"));
    }
    page.push_str("</tr></thead><tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            add(page, format_args!("<td>{cell}</td>"));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

/// Writes the scale of the tokens' tint.
fn scale(summary: &Summary) -> String {
    if summary.min < 0.0 {
        let most = summary.strongest().abs();
        return format!(
            "{} <span class=\"scale below\"></span> 0 <span class=\"scale\"></span> {} (the largest size); negative activations are underlined; the framed",
            significant(-most),
            significant(most)
        );
    }
    format!(
        "0 <span class=\"scale\"></span> {} (the feature’s maximum); the framed",
        significant(summary.max)
    )
}

fn effects(page: &mut String, title: &str, class: &str, effects: &[TokenEffect]) {
    if effects.is_empty() {
        return;
    }
    put(page, format_args!("<div><h3>{title}</h3>\n<table>"));
    for effect in effects {
        put(
            page,
            format_args!(
                "<tr title=\"token {}\"><td>{}</td><td class=\"{class}\">{:+.3}</td></tr>",
                effect.id,
                token_text(&effect.text),
                effect.effect
            ),
        );
    }
    page.push_str("</table></div>\n");
}

fn level(page: &mut String, interval: &Interval, most: f64) {
    put(
        page,
        format_args!(
            "<h3>{} to {} <span class=\"secondary\">{} % of its active tokens</span></h3>",
            significant(interval.from),
            significant(interval.to),
            significant(100.0 * interval.share)
        ),
    );
    examples(page, (&interval.examples, &[]), most);
}

/// Writes examples, near-duplicates folded, with the effect on the loss of those that have one.
fn examples(page: &mut String, (examples, losses): (&[Example], &[f32]), most: f64) {
    page.push_str("<ol class=\"examples\">\n");
    for fold in features::fold(examples) {
        example(page, (&examples[fold.shown], losses.get(fold.shown)), most);
        if let Some(what) = fold.said() {
            put(
                page,
                format_args!(
                    "<li class=\"near\"><details><summary>{what}</summary><ol class=\"examples\">"
                ),
            );
            for near in fold.near {
                example(page, (&examples[near], losses.get(near)), most);
            }
            page.push_str("</ol></details></li>\n");
        }
    }
    page.push_str("</ol>\n");
}

fn example(page: &mut String, (example, loss): (&Example, Option<&f32>), most: f64) {
    let loss = loss.map(|loss| format!("<small>loss {loss:+.3}</small>"));
    add(
        page,
        format_args!(
            "<li title=\"{}\"><span class=\"value\">{}{}</span><span class=\"tokens\">",
            escape(&example.document),
            significant(example.act().into()),
            loss.unwrap_or_default()
        ),
    );
    for (i, (token, act)) in example.tokens.iter().zip(&example.acts).enumerate() {
        page.push_str(&token_span(token, *act, most, i == example.at));
    }
    page.push_str("</span></li>\n");
}

/// Writes a token with its tint and its activation as a title; the example's own token is bold, so that it stands out without colour.
fn token_span(token: &str, act: f32, most: f64, is_examples: bool) -> String {
    let text = token_text(token);
    let tag = match (is_examples, act != 0.0) {
        (true, _) => "b",
        (false, true) => "span",
        (false, false) => return text,
    };
    let share = f64::from(act.abs()) / most.max(f64::MIN_POSITIVE);
    let sign = if act < 0.0 { " class=\"below\"" } else { "" };
    format!(
        "<{tag}{sign} style=\"--a:{share:.3}\" title=\"{}\">{text}</{tag}>",
        significant(act.into())
    )
}
