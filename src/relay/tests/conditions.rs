use super::*;

fn decides(when: &str, body: &str) -> Result<bool, String> {
    let relays = one(&format!("when = '''{when}'''"));
    let plan = relays.plan(&tutum(body));
    match plan.faults.into_iter().next() {
        Some((_, fault)) => {
            assert_eq!(fault.reason(), "when");
            Err(fault.to_string())
        }
        None => Ok(plan.wanted == [0]),
    }
}

#[test]
fn conditions_decide_what_match_cannot() {
    let body = r#"{"type":"vm","cpu":71,"up":true,"tags":["a","b"],"vm":{"name":"web"},"no":null,"neg":-2.5}"#;
    for (when, expected) in [
        ("data.cpu > 70 and data.up", true),
        ("data.vm.name in ['web', 'db']", true),
        ("'c' not in data.tags", true),
        ("data.tags | length == 2", true),
        ("data.tags[0] == 'a' and data.tags[-1] == 'b'", true),
        ("data['vm']['name'] == 'web'", true),
        ("event.type == 'vm.' and event.source == 'prod' and relay.name == 'one'", true),
        ("event.data.cpu == data.cpu", true),
        ("data.vm.name is startingwith('w')", true),
        ("data.no is none", true),
        ("data.no > 3", false),
        ("70 < data.cpu < 80", true),
        ("data.neg == -2.5", true),
        ("not (data.cpu == 71)", false),
        ("(data.cpu if data.up else 0) == 71", true),
        ("data.tags == ['a', 'b']", true),
        ("data.vm == {'name': 'web'}", true),
        ("data.is and data.not is defined or data.is == 1 or data.up", true),
    ] {
        assert_eq!(decides(when, body), Ok(expected), "{when}");
    }
}

#[test]
fn a_missing_field_is_no_match_also_if_an_operator_fails_on_it() {
    for when in [
        "data.nope == 1",
        "data.nope != 1",
        "data.nope < 10",
        "data.nope >= 0",
        "0 > data.nope",
        "data.nope.deeper != 'x'",
        "data.nope in ['x']",
        "data.nope not in ['x']",
        "'x' in data.nope",
        "'x' not in data.nope",
        "data.nope + 1 > 0",
        "1 - data.nope < 3",
        "data.nope * 2 == 4",
        "-data.nope < 3",
        "data.nope | past != 'x'",
        "data.nope | lower != 'x'",
        "data.nope | cut(3) != 'x'",
        "data.nope",
        "data.nope == data.nope",
        "data.type == 'vm' and data.nope != 3",
        "1 < data.nope < 3",
        "(data.nope != 1) == true and data.nope",
        "data.nope / 2 > 1",
    ] {
        assert_eq!(decides(when, r#"{"type":"vm"}"#), Ok(false), "{when}");
    }
    for when in [
        "data.nope != 1 or data.type == 'vm'",
        "data.nope is undefined",
        "data.nope is not defined and data.type != 'x'",
        "data.nope | default('x') == 'x'",
        "data.a.b.c | default(3) < 4",
        "not data.nope",
        "data.nope | length == 0",
    ] {
        assert_eq!(decides(when, r#"{"type":"vm"}"#), Ok(true), "{when}");
    }
}

#[test]
fn any_other_failure_is_a_fault_and_never_a_silent_false() {
    for (when, part) in [
        ("data.name > 3", "cannot compare string with number"),
        ("data.n / 0 > 1", "unable to calculate"),
        ("3 in data.n", "containment"),
        ("data.n | length > 1", "has no length"),
        ("data.name - 1 == 2", "operator"),
        ("data.name.upper() == 'X'", "unknown method"),
    ] {
        let fault = decides(when, r#"{"name":"web","n":3}"#).expect_err(when);
        assert!(fault.contains(part), "{when}: {fault}");
    }
}

#[test]
fn a_condition_over_what_is_fetched_waits_for_it() {
    let relays = one("fetch.stack = \"{{ data.parents | of_type('stack') }}\"\nwhen = \"stack.state != 'Running'\"");
    let (event, relay) = (tutum(CONTAINER), relays.get(0));
    assert_eq!(relays.plan(&event).wanted, [0]);
    let fetched = |outcome| {
        let mut fetched = Fetched::default();
        fetched.put("stack".into(), outcome);
        fetched
    };
    let found = |state: &str| fetched(FetchOutcome::Found(serde_json::json!({ "state": state }).into()));
    assert_eq!(relay.still_wants(&event, &found("Stopped")), Ok(true));
    assert_eq!(relay.still_wants(&event, &found("Running")), Ok(false));
    assert_eq!(relay.still_wants(&event, &fetched(FetchOutcome::NotAsked)), Ok(false));
    assert_eq!(relay.still_wants(&event, &Fetched::default()), Ok(false));
    let failed = fetched(FetchOutcome::Failed(crate::fault::Fault::new("status_504", "504")));
    assert_eq!(relay.still_wants(&event, &failed), Ok(true), "undecidable, so nothing is lost");
    assert_eq!(one("").get(0).still_wants(&event, &failed), Ok(true));
}

#[test]
fn no_condition_runs_forever_or_overflows_the_compiler() {
    let deep = "not ".repeat(505) + "data.x";
    assert_eq!(decides(&deep, "{}"), Ok(true));
    let minuses = format!("{}1 == 1", "-".repeat(2000));
    assert_eq!(decides(&minuses, "{}"), Ok(true));
    let ands = format!("1 == 1{}", " and 1".repeat(330));
    assert_eq!(decides(&ands, "{}"), Ok(true));
    assert!(
        problems(&format!("[[relay]]\nname = 'a'\nwhen = '{}1{}'", "(".repeat(900), ")".repeat(900)))
            .contains("recursion")
    );
    assert!(
        problems(&format!("[[relay]]\nname = 'a'\nwhen = '{}'", "1 or ".repeat(500))).contains("at most 2048 bytes")
    );
}
