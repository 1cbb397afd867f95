//! There is no registry on Linux, and this says so.

use std::convert::Infallible;

use model::registry::{Data, Key};

use super::{Registry, RegistryError};
use crate::account::Account;
use crate::identity::Identity;

/// The machine's own registry: none.
pub struct SystemRegistry(Infallible);

impl SystemRegistry {
    pub fn open(_identity: Option<&Identity>) -> Result<Self, RegistryError> {
        Err(RegistryError::NotHere)
    }

    pub fn open_of(_account: &Account) -> Result<Self, RegistryError> {
        Err(RegistryError::NotHere)
    }
}

impl Registry for SystemRegistry {
    fn exists(&self, _: &Key) -> Result<bool, RegistryError> {
        match self.0 {}
    }

    fn value(&self, _: &Key, _: &str) -> Result<Option<Data>, RegistryError> {
        match self.0 {}
    }

    fn keys(&self, _: &Key) -> Result<Vec<String>, RegistryError> {
        match self.0 {}
    }

    fn values(&self, _: &Key) -> Result<Vec<(String, Data)>, RegistryError> {
        match self.0 {}
    }

    fn is_link(&self, _: &Key) -> Result<bool, RegistryError> {
        match self.0 {}
    }

    fn protection(&self, _: &Key) -> Result<Vec<u8>, RegistryError> {
        match self.0 {}
    }

    fn create(&mut self, _: &Key) -> Result<bool, RegistryError> {
        match self.0 {}
    }

    fn delete(&mut self, _: &Key) -> Result<bool, RegistryError> {
        match self.0 {}
    }

    fn set(&mut self, _: &Key, _: &str, _: &Data) -> Result<(), RegistryError> {
        match self.0 {}
    }

    fn delete_value(&mut self, _: &Key, _: &str) -> Result<bool, RegistryError> {
        match self.0 {}
    }

    fn protect(&mut self, _: &Key, _: &[u8]) -> Result<(), RegistryError> {
        match self.0 {}
    }

    fn flush(&mut self, _: &Key) -> Result<(), RegistryError> {
        match self.0 {}
    }
}
