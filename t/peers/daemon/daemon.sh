# Sourced by the start scripts of peers that are servers: `dir` is where one keeps all it has, and whose
# NAME.pid are its processes for `stop DIR`.
mkdir -p "$1"
dir=$(readlink -f "$1")
home=$(readlink -f "$(dirname "$(readlink -f "$0")")/..")
export VARVE_PEER_DIR=$dir # by which `stop` knows them

# port NAME   a free one, the same for each start in this directory; below those that the system gives to who
# connects: one that tries again and again while the server is away would get the very port, and keep it
port() {
  local free
  if [ ! -e "$dir/$1.port" ]; then
    free=$(perl -MIO::Socket::INET -e '
      my %taken = map { $_ => 1 } split " ", shift;
      for (1 .. 200) {
        my $port = 15000 + int rand 17000;
        next if $taken{$port};
        IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:$port") and print($port), exit;
      }
      die "no free port\n"' "$(cat "$dir"/*.port 2>/dev/null)")
    echo "$free" >"$dir/$1.port"
  fi
  cat "$dir/$1.port"
}

# certificate   tls.crt and tls.key, for localhost
certificate() {
  [ -e "$dir/tls.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$dir/tls.key" -out "$dir/tls.crt" 2>/dev/null
}

# run NAME COMMAND...   unless it runs already
run() {
  local name=$1
  shift
  if [ -e "$dir/$name.pid" ] && kill -0 "$(cat "$dir/$name.pid")" 2>/dev/null; then return; fi
  "$@" >>"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

# ready NAME COMMAND...   waits until the command succeeds, or says why NAME will never do
ready() {
  local name=$1
  shift
  for ((i = 0; i < 1200; i++)); do
    if "$@" >/dev/null 2>&1; then return; fi
    kill -0 "$(cat "$dir/$name.pid")" 2>/dev/null || break
    sleep 0.1
  done
  echo "$name does not start:" >&2
  tail -n 20 "$dir/$name.log" >&2
  "$home/bin/stop" "$dir"
  exit 1
}
