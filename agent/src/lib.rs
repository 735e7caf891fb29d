//! evictd: keeps Kubernetes nodes alive under pressure.
//!
//! Data flows one way: [`probe`] and [`sample`] see, [`run`] collects what they saw into one
//! observation, `evictd_core` decides, [`actuate`] acts. [`pods`] knows who owns what. [`state`] is
//! what others are told of it.

pub mod actuate;
mod answer;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
mod exit;
mod fingerprint;
mod log;
pub mod node;
pub mod pods;
mod privilege;
pub mod probe;
pub mod rank;
pub mod record;
pub mod replay;
pub mod run;
pub mod sample;
pub mod state;
pub mod top;
pub mod trace;
