use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config_reader::Spanned;
use crate::fault::Fault;
use crate::message::{Field, Markup, Message, Severity, Signal};

const SERVICE: &str = r#"{"type":"service","action":"update","state":"Running","parents":["/api/v1/stack/f24b/"],"resource_uri":"/api/v1/service/d0b1/"}"#;

fn message_of(lines: &str, body: &str) -> Message {
    one(lines).get(0).render(&Arc::new(tutum(body)), &Fetched::default(), Markup::Slack, "slack").expect("rendered")
}

fn text(template: &str, body: &str) -> String {
    message_of(&format!("text = '''{template}'''"), body).text
}

fn fails(template: &str, body: &str) -> Fault {
    let relays = one(&format!("text = '''{template}'''"));
    relays.get(0).render(&Arc::new(tutum(body)), &Fetched::default(), Markup::Slack, "slack").expect_err(template)
}

#[test]
fn the_seeds_container_text_letter_for_letter() {
    let lines = r#"match = { type = "container.*" }
text  = "Your container was {{ data.action | past }} on Tutum!\nCheck {{ data.resource_uri }} to see more details.""#;
    let message = message_of(lines, CONTAINER);
    assert_eq!(
        message.text,
        "Your container was created on Tutum!\nCheck /api/v1/container/df3eb045-8bb9-46c1-ac59-a67ce0f4d875/ to see more details."
    );
    assert!(message.is_plain());
    assert_eq!(message.key, "prod:/api/v1/container/df3eb045-8bb9-46c1-ac59-a67ce0f4d875/");
}

const SERVICES: &str = r#"match = { type = "service.*", "data.parents[]" = { regex = "/stack/" } }
when  = "data.state != 'Init'"
fetch.stack = "{{ data.parents | of_type('stack') }}"
text  = "A Service on Tutum was {{ data.action | past }}.\nIt belonged to the {{ stack.name }} Stack.\nThe Stack state is: {{ stack.state }}""#;

#[test]
fn the_seeds_service_text_letter_for_letter() {
    let relays = one(SERVICES);
    let (event, relay) = (tutum(SERVICE), relays.get(0));
    assert_eq!(relays.plan(&event).wanted, [0]);
    let [reference] = relay.references(&event).try_into().expect("one");
    assert_eq!((&*reference.name, reference.reference), ("stack", Ok(Some("/api/v1/stack/f24b/".to_owned()))));
    let mut fetched = Fetched::default();
    fetched.put("stack".into(), FetchOutcome::Found(json!({"name":"web <1>","state":"Running"}).into()));
    let message = relay.render(&Arc::new(event), &fetched, Markup::Slack, "slack").expect("rendered");
    assert_eq!(
        message.text,
        "A Service on Tutum was updated.\nIt belonged to the web &lt;1&gt; Stack.\nThe Stack state is: Running"
    );
}

#[test]
fn a_fetch_that_failed_adds_one_line() {
    let relays = one(SERVICES);
    let mut fetched = Fetched::default();
    fetched.put("stack".into(), FetchOutcome::Failed(Fault::new("status_504", "504")));
    let message = relays.get(0).render(&Arc::new(tutum(SERVICE)), &fetched, Markup::Slack, "slack").expect("rendered");
    assert_eq!(
        message.text,
        "A Service on Tutum was updated.\nIt belonged to the  Stack.\nThe Stack state is: \n(stack could not be fetched: 504)"
    );
    let orphan = tutum(r#"{"type":"service","action":"update","parents":[]}"#);
    assert_eq!(relays.get(0).references(&orphan)[0].reference, Ok(None));
}

#[test]
fn what_comes_out_of_an_event_is_escaped_and_what_the_author_wrote_is_not() {
    let body = r#"{"x":"<!channel> & co","html":"<b>","n":3,"list":["<a>"],"up":true,"no":null,"f":1.5,"neg":-4}"#;
    for (template, expected) in [
        ("<!here> {{ data.x }}", "<!here> &lt;!channel&gt; &amp; co"),
        ("<!here> {{ data.x | safe }}", "<!here> <!channel> & co"),
        ("{{ data.x | upper }}", "&lt;!CHANNEL&gt; &amp; CO"),
        ("{{ '<' ~ data.html }}", "&lt;&lt;b&gt;"),
        ("{% set y %}<i>{{ data.html }}{% endset %}{{ y }}", "<i>&lt;b&gt;"),
        ("{% for tag in data.list %}{{ loop.index }}{{ tag }}{% endfor %}", "1&lt;a&gt;"),
        ("{{ data.html | e }}", "&lt;b&gt;"),
        ("{{ data.list }}", "[\"&lt;a&gt;\"]"),
        ("{{ data.n }} {{ data.up }} {{ data.no }} {{ data.f }} {{ data.neg }}", "3 true  1.5 -4"),
        ("{{ data.nope }}|{{ data.nope.deeper | upper }}|{{ data.nope | past }}", "||"),
        ("{{ data.nope | length }} {{ data.nope | join(', ') }}{{ data.nope | first }}{{ data.nope | cut(3) }}", "0 "),
        ("{{ data.no | upper }}{{ data.no | trim }}{{ data.nope | round }}{{ data.nope | split(',') | join }}", ""),
        (
            "{{ data | dictsort(by='key') | length }} {{ data.f | round(precision=0) }} {{ data.x | replace('<', '') | split(' ') | last }}",
            "8 2.0 co",
        ),
        ("{{ data.x | cut(5) }}|{{ data.x | truncate(5) }}", "&lt;!ch…|&lt;!ch…"),
        ("{{ data.x | replace('<', '>') | trim }}", "&gt;!channel&gt; &amp; co"),
        ("{{ data.list | tojson }}", "[\"\\u003ca\\u003e\"]"),
        (
            "{{ relay }} {{ relay.name }} {{ event.type }} {{ event.id }} {{ event.time }}",
            "one one . e1 1970-01-01T00:00:00Z",
        ),
        ("{{ event.data.n }} {{ event.kind }} {{ event.source }}", "3 tutum prod"),
        ("{% raw %}{{ data.x }}{% endraw %}", "{{ data.x }}"),
        ("{{ 'a' if data.n == 3 else 'b' }}{{ data.n + 1 }}", "a4"),
        ("{{ data.html | default('x') | capitalize }}", "&lt;b&gt;"),
        ("line\n", "line"),
        ("{{ data.html }}\n", "&lt;b&gt;"),
        ("{{ data.html }}\n\n{{ data.n }}", "&lt;b&gt;\n\n3"),
    ] {
        assert_eq!(text(template, body), expected, "{template}");
    }
}

#[test]
fn without_text_the_type_and_the_subject_are_said() {
    assert_eq!(message_of("", SERVICE).text, "service.update: /api/v1/service/d0b1/");
    assert_eq!(message_of("", r#"{"type":"<","action":"b"}"#).text, "&lt;.b");
}

#[test]
fn without_text_the_kinds_own_words_go_first_and_broken_ones_are_not_used() {
    let reader = ConfigReader::new("", &|_| None);
    let template = |text: &str| {
        let text = Spanned { value: text.to_owned(), span: 0..0 };
        Template::compile(&reader, &text, &Template::ROOTS).expect("a template")
    };
    let mut defaults = Defaults::default();
    defaults.add("tutum", "service.update", template("{{ data.parents[0] | upper }} <!here>"));
    defaults.add("tutum", "service.scale", template("{{ data.parents | round }}"));
    defaults.add("tutum", "service.stop", template("{{ data.nothing }}"));
    defaults.add("tutum", "service.*", template("{{ event.type | split('.') | last | past }}"));
    defaults.add("docker", "*", template("another kind"));
    let defaults = Arc::new(defaults);
    let text = |body: &str, lines: &str| {
        let file = format!("[[relay]]\nname = \"one\"\n{lines}");
        let relays = Relays::compile(read_all(&file).into_iter().map(|relay| relay.with_defaults(&defaults)).collect());
        relays
            .get(0)
            .render(&Arc::new(tutum(body)), &Fetched::default(), Markup::Slack, "slack")
            .expect("rendered")
            .text
    };
    assert_eq!(text(SERVICE, ""), "/API/V1/STACK/F24B/ <!here>");
    assert_eq!(text(SERVICE, "text = \"mine\""), "mine");
    assert_eq!(text(&SERVICE.replace("update", "start"), ""), "started");
    for action in ["scale", "stop"] {
        let plain = format!("service.{action}: /api/v1/service/d0b1/");
        assert_eq!(text(&SERVICE.replace("update", action), ""), plain, "{action}");
    }
}

#[test]
fn every_part_of_a_message_is_a_template() {
    let lines = r#"
title = "{{ data.type }} <{{ data.x }}>"
severity = "{% if data.n > 3 %}critical{% else %}Warning{% endif %}"
fields = [{ name = "n", value = "{{ data.n }}", short = true }, { name = "none", value = "{{ data.nope }}" }]
link = "https://x/{{ data.x }}"
color = "{{ data.nope }}"
key = "{{ data.x }}\u0007-{{ data.n }}"
signal = "{{ data.signal }}""#;
    let message = message_of(lines, r#"{"type":"a","x":"1<2","n":4,"signal":"resolve"}"#);
    assert_eq!(message.title.as_deref(), Some("a <1&lt;2>"));
    assert_eq!(message.severity, Severity::Critical);
    assert_eq!(message.fields, [Field { name: "n".into(), value: "4".into(), short: true }]);
    assert_eq!(message.link.as_deref(), Some("https://x/1<2"));
    assert_eq!((message.color, message.key.as_str(), message.signal), (None, "1<2-4", Some(Signal::Resolve)));
    let message = message_of(lines, r#"{"n":1,"signal":"explode"}"#);
    assert_eq!((message.severity, message.signal, message.title.as_deref()), (Severity::Warning, None, Some(" <>")));
    assert_eq!(message_of("severity = '{{ data.s }}'", r#"{"s":"dire"}"#).severity, Severity::Info);
}

#[test]
fn raw_payloads_are_rendered_inside_their_strings() {
    let lines = r#"
text = "x"
raw.slack = { text = "*{{ data.x }}*", unfurl = false, blocks = [{ type = "section", n = 3, f = 1.5, text = "{{ data.nope }}" }] }
raw.google-chat = { text = "{{ data.x }}" }"#;
    let relays = one(lines);
    let message_of = |markup, kind: &str| {
        relays
            .get(0)
            .render(&Arc::new(tutum(r#"{"x":"<a>"}"#)), &Fetched::default(), markup, kind)
            .expect("rendered")
            .raw
    };
    let slack = json!({"text":"*&lt;a&gt;*","unfurl":false,"blocks":[{"type":"section","n":3,"f":1.5,"text":""}]});
    assert_eq!(message_of(Markup::Slack, "slack"), Some(slack));
    assert_eq!(message_of(Markup::GoogleChat, "google-chat"), Some(json!({"text":"<\u{200b}a>"})));
    assert_eq!(message_of(Markup::Plain, "console"), None);
    assert_eq!(relays.get(0).raw_kinds().map(|kind| kind.value.as_str()).collect::<Vec<_>>(), ["slack", "google-chat"]);
}

#[test]
fn bombs_are_capped_and_loops_run_out_of_fuel() {
    let list: Vec<Value> = (0..2000).map(Value::from).collect();
    let body = json!({ "l": list }).to_string();
    let looping = "{% for a in data.l %}{% for b in data.l %}{% if a %}{% endif %}{% endfor %}{% endfor %}";
    assert_eq!(fails(looping, &body).to_string(), "engine ran out of fuel");
    assert_eq!(fails("{{ 'x' * 100000 }}", "{}").to_string(), "the text is longer than 65536 bytes");
    assert_eq!(fails("{{ 'x' * 999999999 }}", "{}").reason(), "template");
    assert_eq!(fails("{% block a %}{{ self.a() }}{% endblock %}", "{}").reason(), "template");
    assert_eq!(fails("{{ data.x }}", &json!({ "x": "y".repeat(70_000) }).to_string()).reason(), "template");
    assert_eq!(text("{{ data.x | cut(3) }}", &json!({ "x": "y".repeat(70_000) }).to_string()), "yy…");
}

#[test]
fn the_programs_own_relays_say_one_thing_for_each_type() {
    let says = |r#type, text: &str, signal| TypeText { r#type, text: Template::verbatim(text), signal };
    let relay = Relay::built_in(BuiltIn {
        name: "alert prod".into(),
        subject: Some("pr*d".to_owned()),
        texts: vec![
            says("source.lost", "Tutum Stream connection closed.", Some(Signal::Trigger)),
            says("source.recovered", "Tutum Stream connection open.", Some(Signal::Resolve)),
        ],
        severity: Severity::Critical,
        key: Some(Template::verbatim("tutum-stream")),
        client: Some(Template::verbatim("tidings")),
        client_url: None,
        to: vec![Spanned { value: "oncall".to_owned(), span: 0..0 }],
    });
    let relays = Relays::compile(vec![relay]);
    let ours = |kind: &str, subject: &str| Event::ours(kind, subject, Timestamp::UNIX_EPOCH, &json!({}));
    for (event, wanted) in
        [(ours("source.lost", "pr*d"), true), (ours("source.lost", "prod"), false), (ours("source.gap", "pr*d"), false)]
    {
        assert_eq!(relays.plan(&event).wanted == [0], wanted);
    }
    let message_of = |kind| {
        relays
            .get(0)
            .render(&Arc::new(ours(kind, "pr*d")), &Fetched::default(), Markup::Plain, "pagerduty")
            .expect("rendered")
    };
    let message = message_of("source.recovered");
    assert_eq!((message.text.as_str(), message.signal), ("Tutum Stream connection open.", Some(Signal::Resolve)));
    assert_eq!((message.key.as_str(), message.client.as_deref()), ("tutum-stream", Some("tidings")));
    assert_eq!((message_of("source.lost").signal, message.severity), (Some(Signal::Trigger), Severity::Critical));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "\\PC{0,6}".prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[ab]", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn the_short_way_and_minijinja_say_the_same(
        literal in "[a-z<&\\n\\r]{0,4}", end in "[a-z\\n\\r]{0,3}", a in json_value(), b in json_value(), digits in "[1-9][0-9]{0,24}",
    ) {
        let source = format!("{literal}{{{{ data.a }}}}.{{{{data.b.a}}}}{{{{ data.n }}}}{{{{ event.type }}}}{end}");
        // With a comment, the template needs the engine.
        let long_way = format!("{{# #}}{source}");
        let body = format!(r#"{{"type":"é<","a":{a},"b":{b},"n":{digits}}}"#);
        let spanned = |text: &str| Spanned { value: text.to_owned(), span: 0..0 };
        let reader = ConfigReader::new("", &|_| None);
        let render = |source: &str| {
            let template = Template::compile(&reader, &spanned(source), &Template::ROOTS).expect("compiles");
            let relay = "r".into();
            let (event, nothing) = (tutum(&body), Fetched::default());
            let input = super::super::template::TemplateInput::new(&event, &relay, &nothing);
            [None, Some(Markup::Slack), Some(Markup::Plain)].map(|markup| template.render(&input, markup).expect("renders"))
        };
        prop_assert_eq!(render(&source), render(&long_way));
    }
}
