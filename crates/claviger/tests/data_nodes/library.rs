//! A server of one's own that decides by the library, as the example does it: it is fed as a data node is.

use claviger_testkit::Example;

use super::installation::Installation;

fn ask(scene: &Installation, library: &Example) -> u16 {
    let call = scene.http.get(format!("{}/orders", library.url())).header("X-API-Key", &scene.key).send();
    scene.runtime.block_on(call).unwrap().status().as_u16()
}

#[test]
fn f4_what_was_ended_while_a_server_with_the_library_was_down_is_refused_from_its_first_answer_on() {
    let scene = Installation::new();
    let node = scene.enrol("library");
    let library = node.claviger.example("library", &["orders"]);
    scene.wait_until("deciding", || ask(&scene, &library) == 200);
    scene.wait_until_in_sync(&node);
    drop(library);
    scene.act("suspend");
    let library = node.claviger.example("library", &["orders"]);
    assert_eq!(ask(&scene, &library), 401);
    // It could have answered by its snapshot alone, and waited until it had heard.
    let log = library.log();
    let at = |words: &str| log.find(words).unwrap_or_else(|| panic!("no {words:?} in {log}"));
    assert!(at("started from its snapshot") < at("heard what the log said since"), "{log}");
    assert!(at("heard what the log said since") < at("listening on"), "{log}");
}
