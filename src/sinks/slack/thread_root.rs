//! The first message of a thread, and the receipt by which later messages find it.

use super::api_reply::ApiReply;

/// No id of Slack is longer.
const LONGEST: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ThreadRoot {
    /// The channel's id, as Slack returned it.
    pub channel: String,
    pub ts: String,
}

impl ThreadRoot {
    /// None where Slack returned no message id: then the next message of the key begins a new thread.
    pub(super) fn from_reply(reply: ApiReply) -> Option<Self> {
        let root = Self { channel: reply.channel?, ts: reply.ts? };
        root.is_valid().then_some(root)
    }

    /// `CHANNEL/TS`, and `/CONFIGURED` where relays.toml has something other than the channel's id (a name, a person's
    /// id): after a change of `channel` the thread must not be continued in the old channel.
    pub(super) fn receipt(&self, configured: &str) -> String {
        let Self { channel, ts } = self;
        if channel == configured { format!("{channel}/{ts}") } else { format!("{channel}/{ts}/{configured}") }
    }

    /// None: damaged, of another channel, or of another sink that had this name.
    pub(super) fn parse(receipt: &str, configured: &str) -> Option<Self> {
        let (channel, rest) = receipt.split_once('/')?;
        let (ts, for_channel) = rest.split_once('/').unwrap_or((rest, channel));
        let root = Self { channel: channel.to_owned(), ts: ts.to_owned() };
        (for_channel == configured && root.is_valid()).then_some(root)
    }

    /// `C024BE91L` and `1503435956.000247`.
    fn is_valid(&self) -> bool {
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
        let root = ThreadRoot { channel: "C024BE91L".to_owned(), ts: "1503435956.000247".to_owned() };
        assert_eq!(root.receipt("C024BE91L"), "C024BE91L/1503435956.000247");
        for configured in ["C024BE91L", "#ops", "U024BE7LH"] {
            assert_eq!(ThreadRoot::parse(&root.receipt(configured), configured), Some(root.clone()), "{configured}");
        }
        assert_eq!(root.receipt("#ops"), "C024BE91L/1503435956.000247/#ops");
    }

    #[test]
    fn a_damaged_receipt_is_not_parsed() {
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
            assert_eq!(ThreadRoot::parse(damaged, "C1"), None, "{damaged}");
        }
        assert!(ThreadRoot::parse("C1/1.2", "C1").is_some());
        assert_eq!(ThreadRoot::parse(&format!("C1/1.{}", "2".repeat(100)), "C1"), None);
    }
}
