//! The first message of a thread, and the receipt by which a later message finds it.

use super::answer::Answer;

/// Longer names than these are not Slack's.
const LONGEST: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Root {
    /// The channel's id, as Slack said it.
    pub channel: String,
    pub ts: String,
}

impl Root {
    /// None where Slack names no message: then the next one of its key begins a thread of its own.
    pub(super) fn of(answer: Answer) -> Option<Self> {
        let root = Self { channel: answer.channel?, ts: answer.ts? };
        root.is_sound().then_some(root)
    }

    /// `CHANNEL/TS`. Where relays.toml calls the channel `asked` otherwise (by its name, or a person's id), that follows,
    /// so that a thread is never sought in another channel than the one that is written there now.
    pub(super) fn receipt(&self, asked: &str) -> String {
        let Self { channel, ts } = self;
        if channel == asked { format!("{channel}/{ts}") } else { format!("{channel}/{ts}/{asked}") }
    }

    /// None: damaged, another channel's, or another sink's that had this name.
    pub(super) fn parse(receipt: &str, asked: &str) -> Option<Self> {
        let (channel, rest) = receipt.split_once('/')?;
        let (ts, called) = rest.split_once('/').unwrap_or((rest, channel));
        let root = Self { channel: channel.to_owned(), ts: ts.to_owned() };
        (called == asked && root.is_sound()).then_some(root)
    }

    /// `C024BE91L` and `1503435956.000247`.
    fn is_sound(&self) -> bool {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_id = self.channel.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let is_ts = self.ts.split_once('.').is_some_and(|(seconds, number)| digits(seconds) && digits(number));
        (2..=LONGEST).contains(&self.channel.len()) && self.ts.len() <= LONGEST && is_id && is_ts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_leads_back_to_its_thread() {
        let root = Root { channel: "C024BE91L".to_owned(), ts: "1503435956.000247".to_owned() };
        assert_eq!(root.receipt("C024BE91L"), "C024BE91L/1503435956.000247");
        for asked in ["C024BE91L", "#ops", "U024BE7LH"] {
            assert_eq!(Root::parse(&root.receipt(asked), asked), Some(root.clone()), "{asked}");
        }
        assert_eq!(root.receipt("#ops"), "C024BE91L/1503435956.000247/#ops");
    }

    #[test]
    fn a_damaged_receipt_leads_nowhere() {
        for damaged in [
            "",
            "/",
            "C1",
            "C1/",
            "/1.2",
            "C1/1",
            "C1/1.",
            "C1/.2",
            "C1/1.2.3",
            "C1/1,2",
            "C1/1.2/",
            "C1/1.2/#ops",
            "C1/１.2",
            "C2/1.2",
            "c1/1.2",
            "C1 /1.2",
            "spaces/AAAA/threads/B",
            "prod/web",
        ] {
            assert_eq!(Root::parse(damaged, "C1"), None, "{damaged}");
        }
        assert!(Root::parse("C1/1.2", "C1").is_some());
        assert_eq!(Root::parse(&format!("C1/1.{}", "2".repeat(100)), "C1"), None);
    }
}
