#![no_std]
//! Lets cargo rebuild agent when the probes change.
