//! What a lane adds to a message that people will wonder about: why it comes so late, or perhaps twice.

use std::time::Duration;

use jiff::Timestamp;

use super::memory::until;
use crate::message::{Markup, Message};

/// Sooner than this nobody calls a message late.
const LATE: Duration = Duration::from_secs(60);

/// What keeps a lane from saying things as they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The receiver's limit, met or obeyed beforehand.
    Limit,
    /// The receiver, or the road there.
    Trouble,
}

/// `message` with what must be said about its own journey; None: nothing.
pub(super) fn with_remarks(
    message: &Message,
    markup: Markup,
    kind: &str,
    late: Option<(Timestamp, Hold)>,
    maybe: bool,
) -> Option<Message> {
    if message.raw.is_some() {
        return None;
    }
    let mut remarks = Vec::new();
    if let Some((accepted, hold)) = late {
        let age = until(Timestamp::now(), accepted);
        if age > LATE {
            let (age, who) = (rough(age), vendor(kind));
            remarks.push(match hold {
                Hold::Limit => format!("(delayed {age}: {who} limited us)"),
                Hold::Trouble => format!("(delayed {age}: {who} could not be reached)"),
            });
        }
    }
    if maybe {
        remarks.push("(perhaps a repetition: the first attempt was not answered)".to_owned());
    }
    if remarks.is_empty() {
        return None;
    }
    let mut message = message.clone();
    for remark in remarks {
        if !message.text.is_empty() && !message.text.ends_with('\n') {
            message.text.push('\n');
        }
        markup.escape(&remark, &mut message.text);
    }
    Some(message)
}

/// As one would say it.
fn rough(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    if minutes < 120 { format!("{minutes} min") } else { format!("{} h", minutes / 60) }
}

/// `google-chat` as its maker writes it.
fn vendor(kind: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    kind.split('-').map(capital).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::message::Origin;
    use jiff::SignedDuration;
    use std::sync::Arc;

    fn remarked(age: i64, hold: Hold, maybe: bool) -> Option<String> {
        let event = Arc::new(Event::ours("a.b", "c", Timestamp::UNIX_EPOCH, &serde_json::Value::Null));
        let message = Message::plain("A thing happened.", "c", Origin { event, relay: "all".into() });
        let accepted = Timestamp::now() - SignedDuration::from_secs(age);
        with_remarks(&message, Markup::Slack, "google-chat", Some((accepted, hold)), maybe).map(|message| message.text)
    }

    #[test]
    fn a_late_message_says_why_and_a_doubtful_one_that_it_may_be_the_second() {
        assert_eq!(remarked(59, Hold::Limit, false), None);
        let late = remarked(250, Hold::Limit, false);
        assert_eq!(late.as_deref(), Some("A thing happened.\n(delayed 4 min: Google Chat limited us)"));
        let later = remarked(3 * 3600 + 59, Hold::Trouble, false);
        assert_eq!(later.as_deref(), Some("A thing happened.\n(delayed 3 h: Google Chat could not be reached)"));
        let doubtful = remarked(0, Hold::Limit, true).expect("a remark");
        assert!(doubtful.ends_with("\n(perhaps a repetition: the first attempt was not answered)"), "{doubtful}");
    }
}
