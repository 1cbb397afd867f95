//! A run's journal on something that keeps it: whole frames, perhaps a torn one behind them.

use model::RunId;
use workflow::Record;
use workflow::journal::{Chain, Recovered, recover};

/// What is durable of one run's journal.
#[derive(Debug, Clone)]
pub struct Ledger {
    chain: Chain,
    pub frames: Vec<Vec<u8>>,
    pub records: Vec<Record>,
    /// A frame that was being written when its writer died.
    torn: Vec<u8>,
}

impl Ledger {
    pub fn new(run: RunId) -> Self {
        Self { chain: Chain::new(run), frames: Vec::new(), records: Vec::new(), torn: Vec::new() }
    }

    /// Appends a whole frame, which must continue the chain.
    pub fn append(&mut self, frame: &[u8]) -> Result<(), String> {
        let (record, length) = self.chain.read(frame).map_err(|error| error.to_string())?;
        if length != frame.len() {
            return Err("bytes are left over behind a frame".into());
        }
        self.records.push(record);
        self.frames.push(frame.to_vec());
        Ok(())
    }

    /// The writer died within the frame; `zeros` of room behind it had been allocated.
    pub fn tear(&mut self, part: &[u8], zeros: usize) {
        self.torn = part.to_vec();
        self.torn.resize(part.len() + zeros, 0);
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut all = self.frames.concat();
        all.extend(&self.torn);
        all
    }

    /// Reads it as a program does that starts, and cuts the torn tail off.
    pub fn reopen(&mut self, run: RunId) -> Result<Recovered, String> {
        let recovered = recover(run, &self.bytes()).map_err(|error| error.to_string())?;
        if recovered.records != self.records {
            return Err(format!(
                "{} records were durable, {} were read",
                self.records.len(),
                recovered.records.len()
            ));
        }
        self.torn = Vec::new();
        Ok(recovered)
    }
}
