#!/usr/bin/env perl
# The daemon itself: its command line, how it starts, refuses to start, stops and comes back, where
# it listens. Requests are made here, byte by byte.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use IO::Socket::IP;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_DGRAM SOCK_STREAM SHUT_WR);
use Test::More;
use Varved;

use constant { CREATE_TOPICS => 19, FETCH => 1, METADATA => 3, PRODUCE => 0, ALTER => 44,
    OFFSET_COMMIT => 8, OFFSET_FETCH => 9, CREATE_PARTITIONS => 37, INVALID_TOPIC => 17 };
use constant { TOPIC => 2, BROKER => 4 };
use constant PATIENCE => 120;

my $dir = tempdir('varved-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @small = qw(wal.bytes=8388608 memory.bytes=33554432 socket.request.max.bytes=1048576
    offsets.topic.num.partitions=1);

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

# ---- runs that end by themselves

# What it says on stdout and stderr, and its exit code.
sub ends {
    my (@args) = @_;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        chdir $dir;
        open(STDOUT, '>', "$dir/out");
        open(STDERR, '>', "$dir/err");
        alarm PATIENCE;
        exec Varved::program(), @args or POSIX::_exit(127);
    }
    waitpid($pid, 0);
    return (text_of("$dir/out"), text_of("$dir/err"), $? & 127 ? -$? : $? >> 8);
}

sub write_text {
    my ($path, $text) = @_;
    open(my $f, '>', $path) or die "$path: $!";
    print $f $text;
    close($f) or die "$path: $!";
    return $path;
}

# It doesn't start: one line says why, and the exit code.
sub refuses {
    my ($want, $code, $what, @args) = @_;
    my ($out, $err, $rc) = ends(@args);
    $err =~ s/^\d{4}-.*\n//mg; # events
    is($rc, $code, "$what: exit code $code");
    like($err, qr/^varved: .*$want.*\n\z/, '... and one line');
    is($out, '', '... and not ready');
}

sub options {
    return map { ('-o', $_) } @_;
}

# ---- requests

sub str { return pack('s>/a', $_[0]) }
sub null_str { return pack('s>', -1) }

# Every socket that a test uses gives up in the end.
sub patient {
    my ($s) = @_;
    setsockopt($s, Socket::SOL_SOCKET(), Socket::SO_RCVTIMEO(), pack('l!l!', PATIENCE, 0));
    return $s;
}

sub dial {
    my ($address) = @_;
    if ($address =~ m{^/}) {
        my $s = IO::Socket::UNIX->new(Peer => $address, Type => SOCK_STREAM);
        return patient($s // die "$address: $!");
    }
    my ($host, $port) = $address =~ /^\[?(.*?)\]?:(\d+)$/;
    return patient(IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Type => SOCK_STREAM)
        // die "$address: $@");
}

sub send_bytes {
    my ($s, $bytes) = @_;
    return syswrite($s, $bytes) == length $bytes;
}

sub send_request {
    my ($s, $key, $version, $body) = @_;
    return send_bytes($s, pack('l>/a', pack('s>s>l>', $key, $version, 7) . str('750') . $body));
}

sub take {
    my ($s, $n) = @_;
    my $bytes = '';
    while (length $bytes < $n) {
        return undef if !sysread($s, $bytes, $n - length $bytes, length $bytes);
    }
    return $bytes;
}

# The body of an answer, or undef: the connection ended.
sub answer {
    my ($s) = @_;
    my $head = take($s, 8) // return undef;
    my ($n, $correlation) = unpack('l>l>', $head);
    return $correlation == 7 ? take($s, $n - 4) : undef;
}

sub call {
    my ($s, @request) = @_;
    return send_request($s, @request) ? answer($s) : undef;
}

# { brokers => ["host:port"...], topics => [names] }, or undef: the connection ended.
sub metadata {
    my ($s) = @_;
    my $body = call($s, METADATA, 1, pack('l>', -1)) // return undef;
    my (@brokers, @topics);
    my ($n, $rest) = unpack('l>a*', $body);
    for (1 .. $n) {
        (my ($id, $host, $port, $rack), $rest) = unpack('l>s>/al>s>a*', $rest);
        push @brokers, "$host:$port";
    }
    (my ($controller), $n, $rest) = unpack('l>l>a*', $rest);
    for (1 .. $n) {
        (my ($error, $name, $internal, $parts), $rest) = unpack('s>s>/aCl>a*', $rest);
        push @topics, $name;
        for (1 .. $parts) {
            (my ($code, $index, $leader), $rest) = unpack('s>l>l>a*', $rest);
            for my $list ('replicas', 'isr') {
                $rest = substr($rest, 4 + 4 * unpack('l>', $rest));
            }
        }
    }
    return { brokers => \@brokers, topics => [ sort @topics ] };
}

# The first broker that it names.
sub named {
    my ($address) = @_;
    my $m = metadata(dial($address));
    return defined $m ? $m->{brokers}[0] : 'nothing';
}

sub create_topic {
    my ($s, $name) = @_;
    my $body = call($s, CREATE_TOPICS, 2,
        pack('l>', 1) . str($name) . pack('l>s>l>l>', 1, 1, 0, 0) . pack('l>C', 10000, 0));
    my (undef, undef, undef, $error) = unpack('l>l>s>/as>', $body // return 0);
    return $error == 0;
}

# The code of the answer.
sub grow_topic {
    my ($s, $name, $partitions) = @_;
    my $body = call($s, CREATE_PARTITIONS, 0,
        pack('l>', 1) . str($name) . pack('l>l>l>C', $partitions, -1, 1000, 0));
    return (unpack('l>l>s>/as>', $body // return 'nothing'))[3];
}

sub set_option {
    my ($s, $broker, $name, $value) = @_;
    my $body = call($s, ALTER, 0, pack('l>c', 1, BROKER) . str($broker) . pack('l>', 1) . str($name)
        . pack('c', 0) . str($value) . pack('C', 0));
    my (undef, undef, $error) = unpack('l>l>s>', $body // return 0);
    return $error == 0;
}

# What a group without members keeps for partition 0 of topic t; undef while its coordinator loads.
sub commit {
    my ($s, $group, $offset) = @_;
    my $body = call($s, OFFSET_COMMIT, 2, str($group) . pack('l>', -1) . str('') . pack('q>l>', -1, 1)
        . str('t') . pack('l>l>q>', 1, 0, $offset) . null_str());
    my (undef, undef, undef, undef, $error) = unpack('l>s>/al>l>s>', $body // return 'nothing');
    return $error == 0 ? 'done' : undef;
}

sub committed {
    my ($s, $group) = @_;
    my $body = call($s, OFFSET_FETCH, 1, str($group) . pack('l>', 1) . str('t') . pack('l>l>', 1, 0));
    my (undef, undef, undef, undef, $offset, undef, $error)
        = unpack('l>s>/al>l>q>s>/as>', $body // return 'nothing');
    return $error == 0 ? $offset : undef;
}

sub patiently {
    my ($call, @args) = @_;
    my $got;
    for (1 .. PATIENCE * 100) {
        last if defined($got = $call->(@args));
        select undef, undef, undef, 0.01;
    }
    return $got // 'never';
}

# ---- the command line

my ($out, $err, $rc) = ends('--version');
is($rc, 0, '--version');
like($out, qr/^varved \d\S*\n\z/, '... is one line');
($out, $err, $rc) = ends('--help');
is($rc, 0, '--help');
like($out, qr/^usage: varved .*--check-config/s, '... says what there is');
($out, $err, $rc) = ends('--verison');
is($rc, 64, 'an option that there is not');
is($err, "varved: there is no option --verison: see varved --help\n", '... is named');
refuses('-o wants a value', 64, 'an option without its value', '-o');
refuses('"serve" is not an option.*-o KEY=VALUE', 64, 'a word', 'serve');

my $good = write_text("$dir/good.conf", "# all is well\nnum.partitions = 3\n");
($out, $err, $rc) = ends('-c', $good, '--check-config');
is("$rc$out$err", '0', 'a file that can be used');
my $odd = write_text("$dir/odd.conf", "log.cleaner.enable=true\n");
($out, $err, $rc) = ends('-c', $odd, '--check-config');
is($rc, 0, 'a setting without effect can be used');
like($err, qr/^varved: warning: odd.conf:1: .*no compaction yet/, '... with a warning');
my $bad = write_text("$dir/bad.conf", "num.partitons=3\nnum.partitions=0\nssl.keystore.type=PEM\n");
($out, $err, $rc) = ends('--config', $bad, '--check-config');
is($rc, 64, 'one that can not');
is(scalar(() = $err =~ /^varved: /mg), 3, '... is told line by line');
like($err, qr/bad.conf:1: .*is it num\.partitions\?/, '... with the right name');
like($err, qr/bad.conf:2: .*\b0\b.*100000/, '... with what a value may be');
like($err, qr/bad.conf:3: .*no TLS/, '... and what there is not yet');
refuses('is it num\.partitions\?', 64, 'the same without --check-config', '-o', 'num.partitons=3');
refuses("can't read .*none.conf: No such file", 64, 'no file', '-c', "$dir/none.conf");
refuses('allow\.insecure', 64, 'a listener for everybody', options('listeners=A://0.0.0.0:0'));
($out, $err, $rc) = ends('--check-config', options(qw(memory.bytes=100000000 wal.bytes=50000000)));
is($rc, 0, 'less memory than the largest request needs');
like($err, qr/warning: .*socket\.request\.max\.bytes is 104857600.* more than 50000000 /,
    '... is told');
ok(!-e "$dir/varve-data", 'nobody made a data directory');

# ---- starts that can't be

my $v = Varved->start(@small, 'log.level=info', 'shutdown.drain.ms=600000');
my ($port) = $v->address =~ /:(\d+)$/;
my @elsewhere = options('admin.listeners=', "log.dirs=$dir/other", @small);
refuses("127\\.0\\.0\\.1:$port.* uses it", 72, 'a port that is taken',
    options("listeners=PLAINTEXT://127.0.0.1:$port"), @elsewhere);
my @data = (options('listeners=A://127.0.0.1:0', 'admin.listeners=', @small));
refuses('in use.*log\.dirs', 69, 'a data directory in use', @data, options('log.dirs=' . $v->dir . '/data'));
if (-d '/sys/kernel') {
    refuses('/sys/varve.*log\.dirs', 77, 'one that can not be made', @data, options('log.dirs=/sys/varve'));
} else {
    note 'skipped: a data directory that can not be made, which needs /sys';
}
mkdir "$dir/newer" or die "newer: $!";
refuses('good.conf/data.*log\.dirs', 77, 'one below a file', @data, options("log.dirs=$good/data"));
mkdir "$dir/strange" or die "strange: $!";
write_text("$dir/strange/diary", '');
refuses('strange: "diary".*log\.dirs', 78, 'one with a file of somebody else', @data,
    options("log.dirs=$dir/strange"));
my $format = text_of($v->dir . '/data/FORMAT');
like($format, qr/^varve data directory, format \d+\n\z/, 'a data directory says its format');
$format =~ s/(\d+)/$1 + 1/e;
write_text("$dir/newer/FORMAT", $format);
refuses('has format \d+; this version of varve knows.*log\.dirs', 76, 'one of a newer version', @data, options("log.dirs=$dir/newer"));

# ---- what it does with requests that make no sense

# Sends bytes; the connection ends, and the log says why.
sub hangs_up {
    my ($why, $what, $bytes) = @_;
    my $s = dial($v->address);
    send_bytes($s, $bytes);
    ok(!defined take($s, 1), "$what ends the connection");
    like($v->said('err'), qr/ net\.closed .*peer=127\.0\.0\.1:\d+ reason="$why/, '... and is told');
}

sub frame {
    my ($key, $version, $rest) = @_;
    return pack('l>/a', pack('s>s>l>', $key, $version, 7) . str('750') . $rest);
}

hangs_up('api key 999 is none', 'an unknown API', frame(999, 0, ''));
hangs_up('version 99 of Metadata is none', 'an unknown version', frame(METADATA, 99, ''));
hangs_up('Metadata request, version 1: topics: ', 'too large a count',
    frame(METADATA, 1, pack('l>', 1 << 30)));
hangs_up('Metadata, version 9: .*header', 'bad tags in a header', frame(METADATA, 9, "\xff"));
hangs_up('a request of -1 bytes', 'a length that is none', pack('l>', -1));
hangs_up('a request of 2000000 bytes, which is more than 1048576', 'one that is too large',
    pack('l>', 2000000));
hangs_up('Produce, version 3, with acks=0: .*UNKNOWN_TOPIC_OR_PARTITION',
    'a failed produce that wants no answer', frame(PRODUCE, 3,
        null_str() . pack('s>l>l>', 0, 1000, 1) . str('t') . pack('l>l>l>/a', 1, 9, "x" x 70)));

# ---- settings that change while it runs

my $s = dial($v->address);
ok(create_topic($s, 't'), 'a topic');
my $other = dial($v->address);
ok(defined metadata($other), 'a second connection');
ok(set_option($s, '', 'max.connections.per.ip', 1), 'one is allowed from now on');
ok(!defined metadata(dial($v->address)), 'a third is closed');
ok(defined metadata($other), '... the second stays');
ok(set_option($s, '', 'max.connections.per.ip.overrides', '127.0.0.1:3'), 'this address: three');
ok(defined metadata(my $third = dial($v->address)), 'a third');
ok(set_option($s, '', 'max.connections', 2), 'two are allowed in all');
ok(!defined metadata(dial($v->address)), 'a fourth is closed');
ok(set_option($s, '', 'max.connections', 100), 'more are allowed again');
close($third);
ok(set_option($s, '1', 'log.level', 'error'), 'errors only');
my $before = length $v->said('err');
my $mad = dial($v->address);
send_bytes($mad, pack('l>', -5));
ok(!defined take($mad, 1), 'a connection is closed');
is(length $v->said('err'), $before, '... and nobody is told');
ok(set_option($s, '1', 'log.level', 'info'), 'the rest, too');

# ---- peers that leave

# A fetch that would wait for ten minutes, and behind it a request that isn't read meanwhile.
sub long_poll {
    my ($c) = @_;
    send_request($c, FETCH, 4, pack('l>l>l>l>cl>', -1, 600000, 1, 1 << 20, 0, 1) . str('t')
        . pack('l>l>q>l>', 1, 0, 0, 1 << 20));
    send_request($c, METADATA, 1, pack('l>', -1));
}

long_poll($other);
shutdown($other, SHUT_WR);
ok(defined answer($other), 'a fetch whose peer sends no more does not wait');
ok(defined answer($other), '... nor does what is behind it');
is(take($other, 1), undef, '... and that is the end');
my $gone = dial($v->address);
long_poll($gone);
ok(defined metadata($s), 'another one is served');
close($gone);
$v->stop; # would wait for the fetch

# ---- stops and starts

# The last line that a start wrote.
sub found_at_start {
    my @lines = grep { / server\.start / } split /\n/, $v->said('err');
    return $lines[-1] // '';
}

$v->restart;
like(found_at_start(), qr/ clean=1$/, 'after SIGTERM a start finds all in order');
is_deeply(metadata(dial($v->address))->{topics}, [ '__consumer_offsets', 't' ], '... all topics');
ok(create_topic(dial($v->address), 'u'), 'one more');
$v->crash;
$v->restart;
like(found_at_start(), qr/ clean=0$/, 'after kill -9 it knows that there was no stop');
is_deeply(metadata(dial($v->address))->{topics}, [ '__consumer_offsets', 't', 'u' ],
    '... and nothing is missing');
is(patiently(\&commit, dial($v->address), 'g', 42), 'done', 'an offset is committed');
push @{ $v->{options} }, 'offsets.topic.num.partitions=7';
$v->restart;
is(patiently(\&committed, dial($v->address), 'g'), 42,
    'offsets stay where they are, however many partitions new ones would have');
push @{ $v->{options} }, 'max.partitions=5';
$v->restart;
$s = dial($v->address);
call($s, METADATA, 1, pack('l>', 5) . join('', map { str($_) } qw(a.b a_b __transaction_state w x)));
is_deeply(metadata($s)->{topics}, [ '__consumer_offsets', 'a.b', 't', 'u', 'w' ],
    'topics that are made by being asked for obey the same rules');
is(grow_topic($s, '__consumer_offsets', 2), INVALID_TOPIC, 'no more partitions for offsets');
$v->stop;

# ---- where it may run

sub net_threads { return scalar grep { slurp($_) =~ /^varve-net-/ } glob "/proc/$_[0]{pid}/task/*/comm" }
sub slurp {
    my ($path) = @_;
    open my $f, '<', $path or return '';
    return <$f> // '';
}

my ($processors, $first) = qx(taskset -pc $$) =~ /: ((\d+).*)$/;
system "taskset -pc $first $$ >$dir/taskset";
$v = Varved->start(@small);
system "taskset -pc $processors $$ >$dir/taskset";
is(net_threads($v), 1, 'bound to one processor it has one thread for connections');
$v->stop;

# ---- where it listens

# The next datagram.
sub told {
    my ($socket) = @_;
    my $text;
    return defined patient($socket)->recv($text, 100) ? $text : 'nothing';
}

my $six = text_of('/proc/net/if_inet6') =~ /^0{31}1 /m; # ::1, and not only the means to have it
my $socket = "$dir/socket";
my $notify = IO::Socket::UNIX->new(Local => "$dir/notify", Type => SOCK_DGRAM) // die "notify: $!";
my @names = ('PLAINTEXT://127.0.0.1:0', 'B://127.0.0.1:0', "LOCAL://unix:$socket",
    $six ? 'SIX://[::1]:0' : ());
{
    local $ENV{NOTIFY_SOCKET} = "$dir/notify";
    $v = Varved->start(@small, 'listeners=' . join(',', @names),
        'advertised.listeners=PLAINTEXT://inside.example:1001,B://outside.example:1002');
}
is(told($notify), 'READY=1', 'systemd is told that it is ready');
my $ready = $v->said('out');
like($ready, qr{^ready( [A-Z]+://\S+)+\n\z}, 'ready, with the addresses that it has');
my %at = $ready =~ m{([A-Z]+)://(\S+)}g;
is(scalar keys %at, scalar @names, '... of all listeners');
is(named($at{PLAINTEXT}), 'inside.example:1001', 'a listener names what it advertises');
is(named($at{B}), 'outside.example:1002', '... each its own');
is($at{LOCAL}, $socket, 'a unix socket');
isnt(named($socket), 'nothing', '... serves');
SKIP: {
    skip('no IPv6 here', 2) if !$six;
    like($at{SIX}, qr/^\[::1\]:\d+$/, 'IPv6');
    my ($number) = $at{SIX} =~ /(\d+)$/;
    is(named($at{SIX}), "::1:$number", '... names the port that it got');
}
$v->stop;
is(told($notify), 'STOPPING=1', 'systemd is told that it stops');
ok(!-e $socket, 'the socket is gone');

done_testing;
