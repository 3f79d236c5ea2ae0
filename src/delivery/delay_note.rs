//! What a lane adds to a message that readers would wonder about: why it is late, or may have come twice.

use std::time::Duration;

use jiff::Timestamp;

use super::clock::time_until;
use crate::message::{Markup, Message};

/// A message is late from this age on.
const LATE: Duration = Duration::from_secs(60);

/// Why a lane does not send its messages at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DelayCause {
    /// The receiver's limit, hit or respected beforehand.
    RateLimit,
    /// The receiver, or the network.
    Unreachable,
}

/// `message` with notes about its own delivery; None: it needs none.
pub(super) fn with_notes(
    message: &Message,
    markup: Markup,
    kind: &str,
    late: Option<(Timestamp, DelayCause)>,
    repeated: bool,
) -> Option<Message> {
    if message.raw.is_some() {
        return None;
    }
    let mut notes = Vec::new();
    if let Some((accepted, cause)) = late {
        let age = time_until(Timestamp::now(), accepted);
        if age > LATE {
            let (age, who) = (rounded(age), vendor(kind));
            notes.push(match cause {
                DelayCause::RateLimit => format!("(delayed {age}: {who} limited us)"),
                DelayCause::Unreachable => format!("(delayed {age}: {who} could not be reached)"),
            });
        }
    }
    if repeated {
        notes.push("(perhaps a repetition: the first attempt was not answered)".to_owned());
    }
    if notes.is_empty() {
        return None;
    }
    let mut message = message.clone();
    for note in notes {
        if !message.text.is_empty() && !message.text.ends_with('\n') {
            message.text.push('\n');
        }
        markup.escape(&note, &mut message.text);
    }
    Some(message)
}

/// In minutes or hours.
fn rounded(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    if minutes < 120 { format!("{minutes} min") } else { format!("{} h", minutes / 60) }
}

/// `google-chat` as its vendor writes it.
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

    fn noted(age: i64, cause: DelayCause, repeated: bool) -> Option<String> {
        let event = Arc::new(Event::ours("a.b", "c", Timestamp::UNIX_EPOCH, &serde_json::Value::Null));
        let message = Message::plain("A thing happened.", "c", Origin { event, relay: "all".into() });
        let accepted = Timestamp::now() - SignedDuration::from_secs(age);
        with_notes(&message, Markup::Slack, "google-chat", Some((accepted, cause)), repeated)
            .map(|message| message.text)
    }

    #[test]
    fn a_late_message_names_the_reason_and_a_doubtful_one_is_marked_as_a_possible_repetition() {
        assert_eq!(noted(59, DelayCause::RateLimit, false), None);
        let late = noted(250, DelayCause::RateLimit, false);
        assert_eq!(late.as_deref(), Some("A thing happened.\n(delayed 4 min: Google Chat limited us)"));
        let later = noted(3 * 3600 + 59, DelayCause::Unreachable, false);
        assert_eq!(later.as_deref(), Some("A thing happened.\n(delayed 3 h: Google Chat could not be reached)"));
        let doubtful = noted(0, DelayCause::RateLimit, true).expect("a note");
        assert!(doubtful.ends_with("\n(perhaps a repetition: the first attempt was not answered)"), "{doubtful}");
    }
}
