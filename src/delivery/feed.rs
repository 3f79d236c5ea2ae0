//! A lane's deliveries as they come from the store.

use futures::future::{BoxFuture, FutureExt};

use crate::store::{Delivery, DeliveryStream, StoreError};

type Read = (DeliveryStream, Result<Vec<Delivery>, StoreError>);

pub(super) struct Feed {
    /// None while it is being read.
    stream: Option<DeliveryStream>,
    /// Never dropped half-way: the stream comes back with its answer.
    reading: Option<BoxFuture<'static, Read>>,
}

impl Feed {
    pub(super) fn new(stream: DeliveryStream) -> Self {
        Self { stream: Some(stream), reading: None }
    }

    /// Reads up to `room` deliveries, unless a read is under way.
    pub(super) fn read(&mut self, room: usize) {
        let Some(mut stream) = self.stream.take() else { return };
        let reading = async move {
            let taken = stream.take(room).await;
            (stream, taken)
        };
        self.reading = Some(reading.boxed());
    }

    /// What was read; waits for ever where no read is under way. After an error the stream gives the same again. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Vec<Delivery>, StoreError> {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let (stream, taken) = reading.await;
        (self.stream, self.reading) = (Some(stream), None);
        taken
    }
}
