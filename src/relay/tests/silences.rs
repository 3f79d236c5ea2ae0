use super::*;

fn silence_match(matches: &[&str]) -> SilenceMatch {
    let matches: Vec<_> = matches.iter().map(|text| (*text).to_owned()).collect();
    SilenceMatch::parse(&matches).unwrap_or_else(|fault| panic!("{matches:?}: {fault}"))
}

fn takes(matches: &[&str]) -> bool {
    silence_match(matches).takes(&tutum(CONTAINER), "containers")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

#[test]
fn a_silence_matches_as_a_relay_does() {
    for matches in [
        &["type=container.*"][..],
        &["type=container.create", "source=prod"],
        &["source=*"],
        &["kind=tutum", "relay=containers"],
        &["relay=cont*"],
        &["relay!=services"],
        &["data.state=Starting"],
        &["data.state!=Init"],
        &["data.parents[]=*/stack/*"],
        &["data.parents[]!=/elsewhere/*"],
        &["type=container.*", "type!=container.delete"],
        &[" type =container.*"],
        &["subject!="],
    ] {
        assert!(takes(matches), "{matches:?}");
    }
    for matches in [
        &["type=service.*"][..],
        &["type=container"],
        &["type=Container.*"],
        &["type=container.*", "source=test"],
        &["relay=services"],
        &["relay!=containers"],
        &["data.state=Init"],
        &["data.nothing!=Init"],
        &["data.parents[]!=*/stack/*"],
        &["subject="],
    ] {
        assert!(!takes(matches), "{matches:?}");
    }
}

#[test]
fn numbers_and_flags_match_as_typed() {
    let event = tutum(r#"{"type":"a","action":"b","n":3,"text":"3","up":true,"eq":"x=y"}"#);
    for matches in ["data.n=3", "data.text=3", "data.up=true", "data.n!=4", "data.eq=x=y"] {
        assert!(silence_match(&[matches]).takes(&event, "one"), "{matches}");
    }
    for matches in ["data.n=4", "data.up=false", "data.n=inf", "data.n!=3"] {
        assert!(!silence_match(&[matches]).takes(&event, "one"), "{matches}");
    }
}

#[test]
fn a_match_of_everything_is_recognized() {
    for everything in [&[][..], &["type=*"], &["type=**", "source=*"], &["relay=*", "subject=*"]] {
        assert!(silence_match(everything).is_everything(), "{everything:?}");
    }
    for some in [&["type=*.create"][..], &["type=*", "source=prod"], &["data.x=*"], &["type!=*"], &["relay!=a"]] {
        assert!(!silence_match(some).is_everything(), "{some:?}");
    }
}

#[test]
fn the_daemons_own_events_are_suppressed_only_by_name() {
    let lost = Event::ours("source.lost", "prod", Timestamp::UNIX_EPOCH, &serde_json::json!({}));
    let takes = |matches: &[&str]| silence_match(matches).takes(&lost, "alert prod");
    assert!(takes(&["source=tidings"]));
    assert!(takes(&["relay=alert *", "type=source.*"]));
    for other in [&[][..], &["source=*"], &["type=source.*"], &["relay!=containers"], &["source!=prod"]] {
        assert!(!takes(other), "{other:?}");
    }
}

#[test]
fn invalid_matches_are_refused_with_a_hint() {
    let refused = |text: &str| SilenceMatch::parse(&[text.to_owned()]).expect_err(text).to_string();
    insta::assert_snapshot!(refused("container.*"), @"`container.*` is not a match; write it like type=container.* or data.state!=Init");
    insta::assert_snapshot!(refused("typ=container.*"), @"`typ=container.*`: an event has no `typ`; did you mean `type`? Fields of the body begin with `data.`");
    insta::assert_snapshot!(refused("state=Init"), @r#"`state=Init`: an event has no `state`; known here: type, source, subject, kind, id; a field of the body is "data.state""#);
    insta::assert_snapshot!(refused("relays=x"), @"`relays=x`: an event has no `relays`; did you mean `relay`?");
    insta::assert_snapshot!(refused("data..x=1"), @"`data..x=1`: `data..x` is not a path; write it like data.vm.name or data.parents[]");
    insta::assert_snapshot!(refused("type="), @"`type=` never matches: every event has a type");
    insta::assert_snapshot!(refused("=x"), @r#"`=x`: an event has no ``; known here: type, source, subject, kind, id; a field of the body is "data.""#);
}

#[test]
fn a_silence_covers_its_time_and_while_active_everything_pending() {
    let silences = Silences::default();
    let event = tutum(CONTAINER);
    let id = |accepted: i64, now: i64| {
        silences.covering(&event, "containers", at(accepted), || at(now)).map(|silence| silence.id)
    };
    assert_eq!(id(10, 10), None);
    let silence = |id, matches: &[&str], since, until| {
        let (since, until) = (at(since), at(until));
        Silence { id, why: "deploy".to_owned(), since, until, silence_match: silence_match(matches) }
    };
    silences.replace(vec![
        silence(1, &["type=container.*"], 100, 200),
        silence(2, &["type=service.*"], 100, 900),
        silence(3, &["relay=containers"], 100, 300),
    ]);
    assert_eq!(id(150, 150), Some(3), "the one that lasts longest");
    assert_eq!(id(50, 150), Some(3), "it was pending already");
    assert_eq!(id(299, 1000), Some(3), "accepted in its time, sent later");
    assert_eq!(id(50, 1000), None, "accepted before, and it is over");
    assert_eq!(id(300, 300), None);
    assert_eq!(
        (silences.active_count(at(150)), silences.active_count(at(250)), silences.active_count(at(900))),
        (3, 2, 0)
    );
    let far = Timestamp::MAX.as_second();
    silences.replace(vec![silence(7, &["type=*"], 0, far)]);
    let why = silences.clone().reason_to_suppress(&event, "containers", Timestamp::now());
    assert_eq!(why.as_deref(), Some("silence 7: deploy"));
}
