//! A lane whose messages are no relay's, to a destination that is no sink.

use super::*;
use crate::message::Origin;
use crate::store::Delivery;

/// Keeps each text with the place that its event names, and fails once.
#[derive(Debug, Default)]
struct Places {
    got: watch::Sender<Vec<(String, String)>>,
    failed: Mutex<bool>,
}

impl Destination for Places {
    fn traits(&self) -> SinkTraits {
        SinkTraits { audience: Audience::Chat, ..SinkTraits::plain("here".to_owned()) }
    }

    async fn send(&self, messages: &[&Message]) -> Vec<Result<Receipt, SendError>> {
        if !std::mem::replace(&mut *self.failed.lock().expect("unpoisoned"), true) {
            return messages.iter().map(|_| Err(later("status_503", false))).collect();
        }
        let got = messages.iter().map(|message| (message.origin.subject.to_string(), message.text.clone()));
        self.got.send_modify(|all| all.extend(got));
        messages.iter().map(|_| Ok(Receipt::default())).collect()
    }
}

/// The event carries its message.
struct Rendered;

impl Preparation for Rendered {
    fn prepare(self: &Arc<Self>, delivery: Delivery, _brief: bool) -> Preparing {
        let origin = Origin { event: Arc::clone(&delivery.event), relay: delivery.relay.clone() };
        let text = format!("answer {}", delivery.event.data.value()["n"]);
        let message = Box::new(Message::plain(text, "", origin));
        let content = Content::Message { message, group: None, complete: true };
        Preparing::Done(Prepared { delivery, relay: None, content })
    }
}

#[tokio::test]
async fn a_lane_delivers_rendered_messages_to_the_places_they_name() {
    let mut harness = Harness::new(ALL, Scripted::chat());
    let places = Arc::new(Places::default());
    harness.commit(["x.here", "x.there"]).await;
    harness.run_to(&places, Rendered, harness.settled()).await;
    let expected = [("here", "answer 1"), ("there", "answer 2")].map(|(place, text)| (place.into(), text.into()));
    assert_eq!(*places.got.borrow(), expected);
    assert_eq!(harness.states().await, [("delivered", 2)]);
}
