//! The processes: PostgreSQL, a control node, two data nodes, the upstreams; and what can be broken of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use claviger_client::Client;
use claviger_testkit::{Claviger, DataNode, Database, Postgres, Redis, Server, Upstream};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::population::populate;
use super::world::{Doors, Who, World};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    pub(crate) world: Arc<World>,
    pub(crate) control: Server,
    pub(crate) steady: Server,
    /// None: it was killed.
    pub(crate) mortal: Option<Server>,
    lives: u32,
    steady_node: DataNode,
    mortal_node: DataNode,
    pub(crate) upstreams: [Upstream; 2],
    _claviger: Claviger,
    _database: Database,
    postgres: Postgres,
    pub(crate) redis: Option<Redis>,
    // The machine is small, and each of these tests takes all of it.
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    /// With so many keys, and every node in sync.
    pub(crate) fn set(keys: usize) -> Self {
        Self::set_with(keys, None)
    }

    /// And with limits that nodes count together.
    pub(crate) fn set_with_limits(keys: usize) -> Self {
        Self::set_with(keys, Some(Redis::start()))
    }

    fn set_with(keys: usize, redis: Option<Redis>) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let postgres = Postgres::start();
        let database = postgres.create_database();
        // Callers fail here by design, and all from one address.
        let mut claviger = Claviger::new(env!("CARGO_BIN_EXE_claviger"))
            .with_database(database.url())
            .with_variable("CLAVIGER_DOORS__FAILURES_PER_MINUTE", "1000000");
        if let Some(redis) = &redis {
            claviger = claviger.with_variable("CLAVIGER_LIMITS__REDIS_URL", redis.url());
        }
        let service_key = claviger.init().service_key;
        let control = claviger.serve();
        let client = Client::new(&control.url()).unwrap().with_key(&service_key).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let upstreams = [Upstream::start_counting(), Upstream::start_counting()];
        let [lasting, mortal] = upstreams.each_ref().map(Upstream::url);
        let world =
            runtime.block_on(populate(&client, &service_key, [&lasting, &mortal], keys, redis.is_some()));
        let enrol = |name| DataNode::enrol(&claviger, &control, &service_key, &database, name);
        let (steady_node, mortal_node) = (enrol("steady"), enrol("mortal"));
        let (steady, mortal) = (steady_node.claviger.gateway(), mortal_node.claviger.gateway());
        let stage = Self {
            runtime,
            client,
            world: Arc::new(world),
            control,
            steady,
            mortal: Some(mortal),
            lives: 0,
            steady_node,
            mortal_node,
            upstreams,
            _claviger: claviger,
            _database: database,
            postgres,
            redis,
            _alone: alone,
        };
        stage.wait_until_in_sync();
        stage.open(Who::Control, &stage.control);
        stage.open(Who::Steady, &stage.steady);
        stage.open(Who::Mortal, stage.mortal.as_ref().unwrap());
        stage
    }

    /// Lets callers know where the node listens.
    fn open(&self, who: Who, server: &Server) {
        let address = |url: String| -> SocketAddr { url.strip_prefix("http://").unwrap().parse().unwrap() };
        let doors =
            Doors { main: address(server.url()), gateway: address(server.gateway_url()), life: self.lives };
        *self.world.nodes[who as usize].lock() = Some(doors);
    }

    /// Both data nodes have applied and kept all that the log says.
    #[track_caller]
    pub(crate) fn wait_until_in_sync(&self) {
        let deadline = Instant::now() + PATIENCE;
        for node in [&self.steady_node, &self.mortal_node] {
            let path = format!("/v1/nodes/{}", node.id);
            let status = || {
                let asked = self.runtime.block_on(self.client.get(&path).send::<Value>());
                asked.map(|answer| answer.body["status"].clone()).unwrap_or_default()
            };
            while status() != "in_sync" {
                assert!(Instant::now() < deadline, "{path} is not in sync");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    pub(crate) fn stop_postgres(&mut self) {
        self.world.outages.begin();
        self.postgres.stop_immediately();
    }

    pub(crate) fn start_postgres(&mut self) {
        self.postgres.start_again();
        self.world.outages.end();
    }

    pub(crate) fn freeze_postgres(&mut self) {
        self.world.outages.begin();
        self.postgres.freeze();
    }

    pub(crate) fn thaw_postgres(&mut self) {
        self.postgres.thaw();
        self.world.outages.end();
    }

    /// SIGKILL, and a while later a new start from what it kept: with the database or without.
    pub(crate) fn restart_mortal(&mut self, later: Duration) {
        *self.world.nodes[Who::Mortal as usize].lock() = None;
        let killed = Instant::now();
        self.mortal.take().expect("a node that runs").kill();
        std::thread::sleep(later);
        self.lives += 1;
        let server = self.mortal_node.claviger.gateway();
        // By now whoever was cut off knows.
        self.world.tally.killed(killed, &self.world.outages);
        self.open(Who::Mortal, &server);
        self.mortal = Some(server);
    }
}
