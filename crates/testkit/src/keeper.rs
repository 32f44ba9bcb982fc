//! A test program that can be the keeper itself: started again with these arguments, it enters the keeper's
//! process instead of running tests, as `claviger keeper run` does.

use std::ffi::OsString;
use std::process::ExitCode;

/// The arguments with which a test program that has [`crate::be_the_keeper!`] at its root is the keeper.
pub fn keeper_arguments() -> Vec<OsString> {
    ["the_keeper_itself", "--exact", "--nocapture", "--"].map(OsString::from).to_vec()
}

/// Runs the keeper's `main` if this program was started as the keeper, and never returns then. In an
/// ordinary run of the tests there is nothing to do.
pub fn enter_keeper(main: impl FnOnce(Vec<OsString>) -> ExitCode) {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != "--");
    if arguments.next().is_some() {
        let code = main(arguments.collect());
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

/// Put this at the root of a test program that starts keepers, and start them with
/// `Program::RunningImage { arguments: claviger_testkit::keeper_arguments() }`.
#[macro_export]
macro_rules! be_the_keeper {
    () => {
        #[test]
        fn the_keeper_itself() {
            $crate::enter_keeper(claviger_keeper::process::main);
        }
    };
}
