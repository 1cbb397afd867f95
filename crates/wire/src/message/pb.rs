//! The protobuf shapes of the messages. Field numbers are never used again.

use std::collections::HashMap;

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbHello {
    #[prost(uint32, tag = "1")]
    pub protocol_min: u32,
    #[prost(uint32, tag = "2")]
    pub protocol_max: u32,
    #[prost(string, tag = "3")]
    pub agent_version: String,
    #[prost(string, repeated, tag = "4")]
    pub capabilities: Vec<String>,
    #[prost(uint64, tag = "5")]
    pub counter: u64,
    #[prost(string, tag = "6")]
    pub boot_id: String,
    #[prost(map = "string, string", tag = "7")]
    pub facts: HashMap<String, String>,
    #[prost(uint64, tag = "8")]
    pub trust_number: u64,
    #[prost(message, repeated, tag = "9")]
    pub holdings: Vec<PbHolding>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbHolding {
    #[prost(bytes = "vec", tag = "1")]
    pub run: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub epoch: u32,
    #[prost(uint64, tag = "3")]
    pub frames: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub head: Vec<u8>,
    #[prost(bool, tag = "5")]
    pub is_leaving: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbEnroll {
    #[prost(uint32, tag = "1")]
    pub protocol_min: u32,
    #[prost(uint32, tag = "2")]
    pub protocol_max: u32,
    #[prost(string, tag = "3")]
    pub agent_version: String,
    #[prost(bytes = "vec", tag = "4")]
    pub token: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub secret: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub sealing_key: Vec<u8>,
    #[prost(string, tag = "7")]
    pub name: String,
    #[prost(map = "string, string", tag = "8")]
    pub facts: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbFrames {
    #[prost(bytes = "vec", tag = "1")]
    pub run: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub epoch: u32,
    #[prost(uint64, tag = "3")]
    pub first: u64,
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub frames: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbRefused {
    #[prost(bytes = "vec", tag = "1")]
    pub run: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub epoch: u32,
    #[prost(string, tag = "3")]
    pub reason: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbEffect {
    #[prost(bytes = "vec", tag = "1")]
    pub run: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub attempt: u32,
    #[prost(uint32, tag = "3")]
    pub visit: u32,
    /// What a script called for; 0 for an activity.
    #[prost(uint32, tag = "4")]
    pub part: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbAsk {
    #[prost(message, optional, tag = "1")]
    pub effect: Option<PbEffect>,
    #[prost(string, tag = "2")]
    pub activity: String,
    #[prost(message, optional, tag = "3")]
    pub call: Option<PbCall>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbCall {
    #[prost(string, tag = "1")]
    pub kind: String,
    /// JSON.
    #[prost(string, tag = "2")]
    pub parameters: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbLog {
    #[prost(message, optional, tag = "1")]
    pub effect: Option<PbEffect>,
    #[prost(bool, tag = "2")]
    pub is_err: bool,
    #[prost(uint64, tag = "3")]
    pub offset: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbNeighbours {
    /// Ids of 16 bytes, one after the other.
    #[prost(bytes = "vec", tag = "1")]
    pub computers: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbWake {
    #[prost(bytes = "vec", tag = "1")]
    pub mac: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub port: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbFromAgent {
    #[prost(oneof = "PbAgentContent", tags = "1, 2, 3, 4, 5, 6, 7, 8, 20, 30, 40, 41")]
    pub content: Option<PbAgentContent>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum PbAgentContent {
    #[prost(message, tag = "1")]
    Hello(PbHello),
    #[prost(message, tag = "2")]
    Enroll(PbEnroll),
    #[prost(message, tag = "3")]
    Frames(PbFrames),
    #[prost(message, tag = "4")]
    Refused(PbRefused),
    #[prost(message, tag = "5")]
    Ask(PbAsk),
    #[prost(message, tag = "6")]
    Cancel(PbEffect),
    #[prost(message, tag = "7")]
    Log(PbLog),
    #[prost(uint64, tag = "30")]
    TrustHeld(u64),
    #[prost(message, tag = "20")]
    Update(PbUpdateNews),
    #[prost(message, tag = "8")]
    Neighbours(PbNeighbours),
    #[prost(message, tag = "40")]
    Wanted(PbWantedNews),
    #[prost(message, tag = "41")]
    Standings(PbStandings),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbWelcome {
    #[prost(uint32, tag = "1")]
    pub protocol: u32,
    #[prost(string, tag = "2")]
    pub server: String,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub trust: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbEnrolled {
    #[prost(bytes = "vec", tag = "1")]
    pub computer: Vec<u8>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub trust: Vec<Vec<u8>>,
}

/// Signed trust documents, oldest first.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PbTrust {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub documents: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbRejected {
    #[prost(string, tag = "1")]
    pub code: String,
    #[prost(string, tag = "2")]
    pub reason: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbRemaining {
    #[prost(uint32, tag = "1")]
    pub visit: u32,
    #[prost(uint64, optional, tag = "2")]
    pub until_ms: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub deadline_ms: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbGive {
    #[prost(bytes = "vec", tag = "1")]
    pub run: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub deployment: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub epoch: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub warrant: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub leaf: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub proof: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub definition: Vec<u8>,
    #[prost(map = "string, string", tag = "8")]
    pub variables: HashMap<String, String>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub frames: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "10")]
    pub remaining: Vec<PbRemaining>,
    #[prost(map = "string, bytes", tag = "11")]
    pub secrets: HashMap<String, Vec<u8>>,
    #[prost(uint64, tag = "12")]
    pub first: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbCount {
    #[prost(bytes = "vec", tag = "1")]
    pub run: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub frames: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbControl {
    #[prost(bytes = "vec", tag = "1")]
    pub run: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub number: u64,
    #[prost(string, tag = "3")]
    pub control: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbAnswer {
    #[prost(message, optional, tag = "1")]
    pub effect: Option<PbEffect>,
    #[prost(string, tag = "2")]
    pub event: String,
    #[prost(map = "string, string", tag = "3")]
    pub outputs: HashMap<String, String>,
    #[prost(string, optional, tag = "4")]
    pub note: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbFromServer {
    #[prost(oneof = "PbServerContent", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 30, 40")]
    pub content: Option<PbServerContent>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum PbServerContent {
    #[prost(message, tag = "1")]
    Welcome(PbWelcome),
    #[prost(message, tag = "2")]
    Enrolled(PbEnrolled),
    #[prost(message, tag = "3")]
    Rejected(PbRejected),
    #[prost(message, tag = "4")]
    Give(PbGive),
    #[prost(message, tag = "5")]
    Acked(PbCount),
    #[prost(message, tag = "6")]
    Resend(PbCount),
    #[prost(message, tag = "7")]
    Control(PbControl),
    #[prost(message, tag = "8")]
    Answer(PbAnswer),
    #[prost(bytes = "vec", tag = "9")]
    Forget(Vec<u8>),
    #[prost(bytes = "vec", tag = "10")]
    Fenced(Vec<u8>),
    #[prost(message, tag = "11")]
    Wake(PbWake),
    #[prost(message, tag = "30")]
    Trust(PbTrust),
    #[prost(message, tag = "20")]
    Update(PbUpdate),
    #[prost(message, tag = "40")]
    Wanted(PbWanted),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbUpdate {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(bytes = "vec", tag = "2")]
    pub release: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub within_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbUpdateNews {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub state: String,
    #[prost(string, tag = "3")]
    pub reason: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbWanted {
    #[prost(bytes = "vec", tag = "1")]
    pub envelope: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub leaf: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub proof: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub set: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbWantedNews {
    #[prost(uint64, tag = "1")]
    pub serial: u64,
    #[prost(string, optional, tag = "2")]
    pub refused: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbStandings {
    #[prost(bool, tag = "1")]
    pub are_all: bool,
    #[prost(message, repeated, tag = "2")]
    pub parts: Vec<PbStanding>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PbStanding {
    #[prost(bytes = "vec", tag = "1")]
    pub application: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    pub user: Option<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(uint32, optional, tag = "4")]
    pub wanted: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    pub installed: Option<u32>,
    #[prost(string, tag = "6")]
    pub state: String,
    #[prost(uint64, tag = "7")]
    pub drift: u64,
    #[prost(string, tag = "8")]
    pub error: String,
    #[prost(string, tag = "9")]
    pub pending: String,
    #[prost(sint64, optional, tag = "10")]
    pub next_attempt_ms: Option<i64>,
    #[prost(sint64, tag = "11")]
    pub at_ms: i64,
}
