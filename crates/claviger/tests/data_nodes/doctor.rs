//! What `claviger doctor` finds at a data node.

use claviger_testkit::{DataNode, Output};

use super::installation::Installation;

fn doctor(node: &DataNode) -> Output {
    node.claviger.run_on_data(&["doctor"])
}

#[track_caller]
fn demand(output: &Output, words: &str) {
    assert!(format!("{}{}", output.stdout, output.stderr).contains(words), "no {words:?} in {output:?}");
}

#[test]
fn doctor_looks_at_a_data_nodes_enrolment_role_snapshot_and_clock() {
    let scene = Installation::new();
    let node = scene.enrol("edge");
    let fresh = doctor(&node);
    demand(&fresh, &format!("well: this data node is enrolled as edge ({})", node.id));
    demand(
        &fresh,
        "well: of this schema's tables, views and sequences, its role reads three, adds to two, and may do nothing else",
    );
    demand(&fresh, "well: its enrolment stands");
    demand(&fresh, "well: the clock agrees with the database's");
    demand(&fresh, "there is none yet");
    let server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    server.kill();
    let kept = doctor(&node);
    demand(&kept, "well: the snapshot was last written ");
    assert!(!kept.stderr.contains("there is none yet"), "{kept:?}");

    let role = &node.role;
    scene.database.run(&format!("GRANT SELECT ON log TO {role}; REVOKE INSERT ON usage_batches FROM {role}"));
    scene.database.run(&format!("GRANT SELECT (masked), UPDATE (removed_at) ON keys TO {role}"));
    scene
        .database
        .run(&format!("GRANT TRIGGER ON node_reports TO {role}; GRANT REFERENCES (id) ON apis TO {role}"));
    scene.database.run(&format!("CREATE SEQUENCE numbers; GRANT USAGE ON SEQUENCE numbers TO {role}"));
    scene.database.run(
        "CREATE FOREIGN DATA WRAPPER none; CREATE SERVER nowhere FOREIGN DATA WRAPPER none; \
         CREATE FOREIGN TABLE elsewhere (a INT) SERVER nowhere",
    );
    scene.database.run(&format!("GRANT SELECT ON elsewhere TO {role}"));
    let changed = doctor(&node);
    assert!(!changed.status.success());
    demand(&changed, "its role may not usage_batches (INSERT)");
    demand(
        &changed,
        "more than a data node needs, and whoever takes the node with it: apis (REFERENCES), elsewhere (SELECT), \
         keys (SELECT), keys (UPDATE), log (SELECT), node_reports (TRIGGER), numbers (USAGE). Give it",
    );

    scene.runtime.block_on(scene.client.delete(&format!("/v1/nodes/{}", node.id)).send_raw()).unwrap();
    demand(&doctor(&node), "it was ended");
    scene.database.run(&format!("ALTER ROLE {role} NOLOGIN"));
    let alone = doctor(&node);
    assert!(!alone.status.success());
    demand(&alone, "Deciding goes on from the snapshot until doors.max_staleness");
}
