//! Counts are exact, memory is bounded and nothing is obeyed, whatever the members are.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::*;
use super::{delivery, message, shown};
use crate::delivery::bundle::render::render;
use crate::message::Markup;

#[test]
fn many_types_are_counted_in_bounded_memory() {
    let mut digest = Bundle::new(BundleKind::Digest, "all".into());
    for number in 0..FULL {
        assert!(!digest.is_full());
        let r#type = if number % 100 == 0 { "often".to_owned() } else { format!("{number}.{}", "x".repeat(1000)) };
        let delivery = delivery(i64::try_from(number).unwrap(), &r#type, Timestamp::UNIX_EPOCH);
        digest.add(&delivery, &message(&delivery, &"long ".repeat(100), Markup::Plain));
    }
    assert!(digest.is_full());
    assert!(digest.types.keys().map(|r#type| r#type.len()).sum::<usize>() < FULL * 2 * LONGEST_TYPE);
    let text = render(&digest, Markup::Plain).text;
    assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("100 often, 1 1.xxx")), "{text}");
    assert!(text.contains(", 9891 of 9891 other types\n"), "{text}");
    assert!(text.chars().count() < 3000, "{}", text.chars().count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_numbers_of_the_types_add_up(types in prop::collection::vec("[a-z0-9., ]{0,3}|[a-m]", 2..200)) {
        for kind in [BundleKind::Digest, BundleKind::Throttle { max: 1, per: Duration::from_secs(1) }] {
            let mut bundle = Bundle::new(kind, "all".into());
            for (number, r#type) in (0..).zip(&types) {
                let delivery = delivery(number, r#type, Timestamp::UNIX_EPOCH);
                bundle.add(&delivery, &message(&delivery, "x", Markup::Plain));
            }
            prop_assert_eq!((bundle.len(), bundle.ids().len()), (types.len(), types.len()));
            let counts: Vec<_> = bundle.by_type().iter().map(|(_, count)| *count).collect();
            prop_assert_eq!(counts.iter().sum::<usize>(), types.len());
            prop_assert!(counts.is_sorted_by(|a, b| a >= b));
            let data = render(&bundle, Markup::Plain).origin.data.value().clone();
            let named = data["types"].as_object().expect("a table").values().filter_map(serde_json::Value::as_u64);
            let others = data["other_types"].as_u64().expect("a number");
            prop_assert_eq!(named.sum::<u64>() + others, types.len() as u64);
        }
    }

    #[test]
    fn nothing_out_of_an_event_is_obeyed(hostile in "[<>@!&*_`|\\\\\\n a-z]{0,40}", by in "[<>@!\\n a-z]{0,10}") {
        for markup in [Markup::Slack, Markup::GoogleChat, Markup::Discord, Markup::Mattermost, Markup::Teams] {
            for kind in [BundleKind::Digest, BundleKind::Group { by: by.clone() }] {
                let mut bundle = Bundle::new(kind, "all".into());
                for number in 0..12 {
                    let delivery = delivery(number, &hostile, Timestamp::UNIX_EPOCH);
                    bundle.add(&delivery, &message(&delivery, &hostile, markup));
                }
                // Where a backslash stands in front of it, it is a letter.
                let shown = shown(&render(&bundle, markup)).replace(r"\\", "").replace(r"\<", "");
                prop_assert!(!shown.contains("```") && !shown.contains("<!") && !shown.contains("<a"), "{}", shown);
                let mentions = matches!(markup, Markup::Discord | Markup::Mattermost);
                prop_assert!(!mentions || !shown.contains("@a"), "{}", shown);
            }
        }
    }
}
