//! Notifications to systemd.

use tracing::warn;

pub(super) use sd_notify::NotifyState;

pub(super) fn notify(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("systemd could not be notified: {error}");
    }
}
