//! What server and agent say to one another, and the secured channel they say it over.

pub mod tls;
