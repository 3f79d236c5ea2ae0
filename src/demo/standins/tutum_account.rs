//! The account that the stand-in of Tutum knows.

#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub token: String,
}
