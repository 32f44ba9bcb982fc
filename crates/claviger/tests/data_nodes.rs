//! Data nodes as operators run them: the program, a real PostgreSQL that goes away, a narrow role, a data folder.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "data_nodes/disk.rs"]
mod disk;
#[path = "data_nodes/doctor.rs"]
mod doctor;
#[path = "data_nodes/doors.rs"]
mod doors;
#[path = "data_nodes/installation.rs"]
mod installation;
#[path = "data_nodes/library.rs"]
mod library;
#[path = "data_nodes/outage.rs"]
mod outage;
#[path = "data_nodes/refused.rs"]
mod refused;
#[path = "data_nodes/role.rs"]
mod role;
#[path = "data_nodes/telling.rs"]
mod telling;
