#!/usr/bin/env bash
# Apache Kafka on loopback, for tests: real brokers, no container.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: kafka.sh COMMAND [ARGUMENT...]

  fetch                       download Kafka into the cache, unless it is there
  start [1|3]                 start that many new brokers (default 1), wait until they
                              serve, print their addresses
  stop [now]                  stop all brokers; now: at once (SIGKILL)
  kill ID                     end a broker at once (SIGKILL); ID is 1, 2 or 3
  pause ID, resume ID         freeze a broker and let it go on (SIGSTOP, SIGCONT)
  end ID                      have a broker end properly (SIGTERM), wait until it has
  restart ID                  start a broker again on its data, wait until it serves
  addresses                   print host:port,...
  topic NAME PARTITIONS [KEY=VALUE...]
                              create a topic, replicated to every broker
  consume TOPIC [ARGUMENT...] run Kafka's console consumer
  produce TOPIC [ARGUMENT...] run Kafka's console producer

environment:
  KAFKA_DIR      where the brokers' data, logs and process numbers are; needed by all
                 but fetch. start makes it; one cluster a directory
  KAFKA_PORTS    a port for each broker, then one for each controller, separated by
                 commas (default 19092,19093 or 19092,...,19097)
  KAFKA_VERSION  release to run, 3.9 or newer (default 4.4.0)
  KAFKA_CACHE    where downloads are kept (default .cache/kafka in the repository)
  KAFKA_HEAP     heap of each broker (default 512m)
  KAFKA_LISTENERS  more listeners of a broker, NAME://host:port,...
  KAFKA_PROXIED  a port for each broker, then another for each, separated by commas: a
                 listener PROXIED on the first that advertises the second
  KAFKA_CONFIG   a file with more settings of the brokers
  KAFKA_SCRAM    name=...,password=... of a user for SCRAM-SHA-256 and SCRAM-SHA-512
  KAFKA_OWNER    a process number; brokers started now end when that process is gone
  KAFKA_BROKERS  host:port,... of another cluster for topic, consume and produce

Needs Java 17 or newer, and Maven to download. Only processes that start or restart
began are ever signalled.
EOF
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=${KAFKA_VERSION:-4.4.0}
libraries=${KAFKA_CACHE:-$here/../../.cache/kafka}/$version
heap=${KAFKA_HEAP:-512m}
seconds_to_start=180 # on a machine that has other things to do
seconds_to_stop=40

fail() {
  echo "kafka.sh: $*" >&2
  exit 1
}

# Poll a command until it succeeds; false when SECONDS have passed.
poll() { # SECONDS COMMAND...
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# Kafka 3.9 brings a binding of SLF4J for a logger that nobody configures here.
fetch() {
  [[ -d $libraries ]] && return
  command -v mvn >/dev/null || fail "Maven (mvn) is not installed; it downloads Kafka $version"
  local parent partial
  parent=$(dirname "$libraries")
  mkdir -p "$parent"
  partial=$(mktemp -d "$parent/.partial.XXXXXX")
  if ! mvn --quiet --batch-mode -Dstyle.color=never --file "$here/pom.xml" "-Dkafka.version=$version" \
    dependency:copy-dependencies -DincludeScope=runtime -DexcludeArtifactIds=slf4j-reload4j "-DoutputDirectory=$partial" >&2; then
    rm -rf "$partial"
    fail "Maven could not download Kafka $version"
  fi
  # Of two downloads at the same time the first to finish wins.
  if [[ -d $libraries ]]; then rm -rf "$partial"; else mv "$partial" "$libraries"; fi
}

java_class() { # CLASS ARGUMENT...
  java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    "-Dlog4j2.configurationFile=$here/log4j2.properties" -cp "$libraries/*" "$@"
}

# --- One broker ---------------------------------------------------------------

node_dir() { echo "$KAFKA_DIR/node$1"; }

# What tells a process from a later one that was given the same number. Linux
# counts it from the boot; ps makes a time of day of that, which moves with the
# clock.
process_birth() { # PID
  if [[ -d /proc/self ]]; then
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
  else
    ps -o lstart= -p "$1" 2>/dev/null
  fi
}

# Print a broker's process number, if the process that was started still runs.
node_pid() { # ID
  local pid birth state file
  file=$(node_dir "$1")/pid
  [[ -f $file ]] || return 1
  { read -r pid && read -r birth; } <"$file"
  [[ $(process_birth "$pid") == "$birth" ]] || return 1
  state=$(ps -o stat= -p "$pid") || return 1 # it may have been reaped since
  [[ $state != Z* ]] || return 1
  echo "$pid"
}

node_gone() { ! node_pid "$1" >/dev/null; }

node_signal() { # SIGNAL ID
  local pid
  [[ -d $(node_dir "$2") ]] || fail "there is no broker '$2' in $KAFKA_DIR"
  pid=$(node_pid "$2") || fail "broker $2 is not running"
  kill "-$1" "$pid"
}

node_configure() { # ID BROKERS
  local id=$1 brokers=$2 replicas=$2 voters=() i dir
  dir=$(node_dir "$id")
  for ((i = 1; i <= brokers; i++)); do
    voters+=("$i@127.0.0.1:${ports[brokers + i - 1]}")
  done
  mkdir -p "$dir"
  cat >"$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=$id
listeners=PLAINTEXT://127.0.0.1:${ports[id - 1]},CONTROLLER://127.0.0.1:${ports[brokers + id - 1]}${KAFKA_LISTENERS:+,$KAFKA_LISTENERS}${proxied:+,PROXIED://127.0.0.1:${proxied[id - 1]}}
controller.listener.names=CONTROLLER
controller.quorum.voters=$(IFS=,; echo "${voters[*]}")
log.dirs=$dir/data
auto.create.topics.enable=false
default.replication.factor=$replicas
min.insync.replicas=$((replicas > 1 ? 2 : 1))
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
EOF
  [[ -z ${KAFKA_PROXIED:-} ]] || proxied_listener "$id" "$brokers" >>"$dir/server.properties"
  [[ -z ${KAFKA_CONFIG:-} ]] || cat "$KAFKA_CONFIG" >>"$dir/server.properties"
  local scram=()
  [[ -z ${KAFKA_SCRAM:-} ]] ||
    scram=(--add-scram "SCRAM-SHA-256=[$KAFKA_SCRAM]" --add-scram "SCRAM-SHA-512=[$KAFKA_SCRAM]")
  java_class kafka.tools.StorageTool format --cluster-id "$cluster_id" \
    --config "$dir/server.properties" "${scram[@]}" \
    >"$dir/format.log" 2>&1 ||
    { cat "$dir/format.log" >&2; fail "formatting the storage of broker $id failed"; }
}

# Print what makes clients of the listener PROXIED come back through the proxy.
proxied_listener() { # ID BROKERS
  cat <<EOF
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
advertised.listeners=PLAINTEXT://127.0.0.1:${ports[$1 - 1]},PROXIED://127.0.0.1:${proxied[$2 + $1 - 1]}
EOF
}

# Start a broker's process. Its log begins anew, so that node_serving cannot
# mistake an earlier life for this one.
node_launch() { # ID
  local dir pid
  dir=$(node_dir "$1")
  nohup java "-Xms$heap" "-Xmx$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dkafka.log.level=INFO \
    "-Dlog4j2.configurationFile=$here/log4j2.properties" -cp "$libraries/*" \
    kafka.Kafka "$dir/server.properties" >"$dir/broker.log" 2>&1 </dev/null &
  pid=$!
  printf '%s\n%s\n' "$pid" "$(process_birth "$pid")" >"$dir/pid"
  if [[ -n ${KAFKA_OWNER:-} ]]; then
    node_guard "$pid" </dev/null >/dev/null 2>&1 &
  fi
}

# Kill a broker once its owner is gone, however that ended.
node_guard() { # PID
  local owner birth
  owner=$(process_birth "$KAFKA_OWNER")
  birth=$(process_birth "$1")
  while [[ -n $owner && $(process_birth "$KAFKA_OWNER") == "$owner" ]]; do
    sleep 1
    [[ $(process_birth "$1") == "$birth" ]] || return
  done
  kill -KILL "$1"
}

node_serving_or_gone() { # ID
  grep -q 'Kafka Server started' "$(node_dir "$1")/broker.log" || node_gone "$1"
}

node_await() { # ID
  local log
  log=$(node_dir "$1")/broker.log
  if ! poll "$seconds_to_start" node_serving_or_gone "$1" || node_gone "$1"; then
    tail -n 30 "$log" >&2
    fail "broker $1 did not start; its log is $log"
  fi
}

# --- The cluster --------------------------------------------------------------

# KRaft wants 16 bytes in URL-safe base64; any cluster of ours may have the same.
cluster_id=Zmxvd3B1Yi1rYWZrYS10ZQ

need_dir() {
  [[ -n ${KAFKA_DIR:-} ]] || fail "KAFKA_DIR is not set: name the cluster's directory"
}

# What a client needs: a cluster, and Kafka's classes.
need_cluster() {
  [[ -n ${KAFKA_BROKERS:-} ]] || need_dir
  fetch
}

bootstrap() { echo "${KAFKA_BROKERS:-$(addresses)}"; }

node_ids() {
  local file
  for file in "$KAFKA_DIR"/node*/server.properties; do
    [[ -f $file ]] || fail "there is no cluster in $KAFKA_DIR: start one first"
    basename "$(dirname "$file")" | tr -d '[:lower:]'
  done
}

addresses() {
  sed -n 's,^listeners=PLAINTEXT://\([^\,]*\)\,.*,\1,p' "$KAFKA_DIR"/node*/server.properties | paste -sd, -
}

start() {
  local brokers=${1:-1} i
  [[ $brokers == 1 || $brokers == 3 ]] || fail "cannot start '$brokers' brokers: use 1 or 3"
  command -v java >/dev/null || fail "Java is not installed; Kafka 4 needs version 17 or newer"
  [[ ! -e $KAFKA_DIR/node1 ]] || fail "$KAFKA_DIR holds a cluster already: use restart, or another directory"
  read_ports "$brokers"
  fetch
  for_each_broker "$brokers" node_configure "$brokers"
  for ((i = 1; i <= brokers; i++)); do node_launch "$i"; done
  for ((i = 1; i <= brokers; i++)); do node_await "$i"; done
  addresses
}

read_ports() { # BROKERS
  local defaults
  defaults=$(seq -s, 19092 $((19091 + 2 * $1)))
  IFS=, read -ra ports <<<"${KAFKA_PORTS:-$defaults}"
  ((${#ports[@]} == 2 * $1)) || fail "KAFKA_PORTS names ${#ports[@]} ports; $1 brokers need $((2 * $1))"
  IFS=, read -ra proxied <<<"${KAFKA_PROXIED:-}"
  ((${#proxied[@]} == 2 * $1 || ${#proxied[@]} == 0)) ||
    fail "KAFKA_PROXIED names ${#proxied[@]} ports; $1 brokers need $((2 * $1))"
}

# Run a function for each broker at the same time; fail when one of them fails.
for_each_broker() { # BROKERS FUNCTION ARGUMENT...
  local brokers=$1 function=$2 jobs=() i
  shift 2
  for ((i = 1; i <= brokers; i++)); do
    "$function" "$i" "$@" &
    jobs+=($!)
  done
  for i in "${jobs[@]}"; do wait "$i"; done
}

# A frozen broker is let go first, and one that will not end is killed.
stop() { # [now]
  local id
  [[ -z ${1:-} || $1 == now ]] || { usage >&2; exit 2; }
  if [[ -n ${1:-} ]]; then
    for id in $(node_ids); do node_gone "$id" || kill_node "$id"; done
    return
  fi
  for id in $(node_ids); do
    node_gone "$id" && continue
    node_signal CONT "$id"
    node_signal TERM "$id"
  done
  for id in $(node_ids); do
    poll "$seconds_to_stop" node_gone "$id" || kill_node "$id"
  done
}

kill_node() { # ID
  node_signal KILL "$1"
  poll 10 node_gone "$1" || fail "broker $1 outlives SIGKILL"
}

end_node() { # ID
  node_signal TERM "$1"
  poll "$seconds_to_stop" node_gone "$1" || fail "broker $1 outlives SIGTERM"
}

restart() { # ID
  [[ -d $(node_dir "$1") ]] || fail "there is no broker '$1' in $KAFKA_DIR"
  node_gone "$1" || fail "broker $1 is running"
  node_launch "$1"
  node_await "$1"
}

topic() { # NAME PARTITIONS [KEY=VALUE...]
  local name=$1 partitions=$2 configs=() pair
  shift 2
  for pair in "$@"; do configs+=(--config "$pair"); done
  java_class org.apache.kafka.tools.TopicCommand --bootstrap-server "$(bootstrap)" \
    --create --topic "$name" --partitions "$partitions" ${configs[@]+"${configs[@]}"}
}

older_than() { # VERSION
  ! printf '%s\n' "$1" "$version" | sort -V -C
}

producer_class() {
  if older_than 4.0; then echo kafka.tools.ConsoleProducer; else echo org.apache.kafka.tools.ConsoleProducer; fi
}

# Before 4.2 the console tools had one option for all properties.
console() { # CLASS TOPIC ARGUMENT...
  local class=$1 topic=$2 arguments
  shift 2
  arguments=("$@")
  if (($# > 0)) && older_than 4.2; then arguments=("${arguments[@]/#--*-property/--property}"); fi
  java_class "$class" --bootstrap-server "$(bootstrap)" --topic "$topic" ${arguments[@]+"${arguments[@]}"}
}

need_arguments() { # COUNT ARGUMENT...
  (($# - 1 >= $1)) || { usage >&2; exit 2; }
}

main() {
  local command=${1:-help}
  (($# == 0)) || shift
  case $command in
    help | -h | --help) usage ;;
    fetch) fetch ;;
    start) need_dir; start "$@" ;;
    stop) need_dir; stop "$@" ;;
    kill) need_dir; need_arguments 1 "$@"; kill_node "$1" ;;
    end) need_dir; need_arguments 1 "$@"; end_node "$1" ;;
    pause) need_dir; need_arguments 1 "$@"; node_signal STOP "$1" ;;
    resume) need_dir; need_arguments 1 "$@"; node_signal CONT "$1" ;;
    restart) need_dir; need_arguments 1 "$@"; restart "$1" ;;
    addresses) need_dir; addresses ;;
    topic) need_cluster; need_arguments 2 "$@"; topic "$@" ;;
    consume) need_cluster; need_arguments 1 "$@"; console org.apache.kafka.tools.consumer.ConsoleConsumer "$@" ;;
    produce) need_cluster; need_arguments 1 "$@"; console "$(producer_class)" "$@" ;;
    *) usage >&2; exit 2 ;;
  esac
}

main "$@"
