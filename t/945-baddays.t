#!/usr/bin/perl
# varved on bad days: what it can't start with is one clear line and an exit code, and changes
# nothing; what clients do to it, and a disk that is full, it survives.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Path 'remove_tree';
use File::Temp 'tempdir';
use IO::Socket::INET;
use IPC::Open2;
use Time::HiRes 'sleep';
use Node;

my $build = $ENV{builddir} // '.';
my $config = Node::slurp("$build/config.h");
my $is_sanitized = Node::slurp("$build/config.log") =~ /fsanitize=/;
my $has_failpoints = $config =~ /^#define VRV_FAILPOINTS/m;
my $dir = tempdir();
my ($n, $bad) = (0, 0);
$SIG{PIPE} = 'IGNORE';

use constant { LOCKED => 69, STOPPED => 70, ADDRESS => 72, VERSION => 76, READONLY => 77 };
use constant MIB => 1 << 20;

sub ok {
    my ($ok, $what, @notes) = @_;
    $n++;
    $bad++ if !$ok;
    print $ok ? '' : 'not ', "ok $n - $what\n";
    print map { "# $_\n" } map { split /\n/ } @notes if !$ok;
    return $ok;
}

sub is { my ($got, $want, $what) = @_; ok($got eq $want, $what, "expected: $want", "got: $got") }

# A server with a directory of its own.
sub server {
    my ($name, @options) = @_;
    mkdir "$dir/$name";
    return Node->new(dir => "$dir/$name", options => \@options);
}

sub started {
    my $v = server(@_);
    $v->start;
    $v->is_ready or ok(0, "$_[0]: varved starts", $v->said('err'));
    return $v;
}

# ---- a client (t/lib/wirecall.c)

sub client {
    my ($v) = @_;
    my $pid = open2(my $from, my $to, "$build/t/wirecall", $v->{port});
    return { pid => $pid, from => $from, to => $to };
}

sub ask { my ($c, $line) = @_; print { $c->{to} } "$line\n"; return answer($c) }
# Of a server that was started again: the connection to the one before is gone.
sub ask_anew { my ($c, $line) = @_; ask($c, 'ping'); return ask($c, $line) }
sub answer { my ($c) = @_; my $line = readline($c->{from}) // 'nothing'; chomp $line; return $line }
sub hang_up { my ($c) = @_; close $c->{to}; waitpid $c->{pid}, 0 }

# ---- starting

# Everything below a directory: names, modes, times of change, contents.
sub sums {
    my ($path) = @_;
    return `cd '$path' && find . -printf '%p %m %T@ %s\\n' | sort; find . -type f -exec md5sum {} + | sort`;
}

# It ends with this code, one line that has the words, and the directory is as it was.
sub refuses {
    my ($v, $code, $words, $what) = @_;
    my $before = sums("$v->{dir}/data") if -d "$v->{dir}/data";
    unlink "$v->{dir}/err";
    $v->start;
    is($v->ending // 'runs', $code, "$what: exit code $code");
    my $said = $v->said('err');
    ok($said =~ /\Avarved: [^\n]*$words[^\n]*\n\z/, '... and one line that says so', $said);
    my $after = -d "$v->{dir}/data" ? sums("$v->{dir}/data") : undef;
    ok(($before // '') eq ($after // ''), '... and nothing is changed', $before // 'not there',
        'now:', $after // 'not there');
}

sub bad_starts {
    my $v = started('first');
    my $c = client($v);
    is(ask($c, 'create t 1'), 'NONE 0', 'a server runs');

    my $rival = server('rival');
    $rival->{port} = $v->{port};
    refuses($rival, ADDRESS, "127.0.0.1:$v->{port}", 'port taken');

    my $second = Node->new(dir => "$dir/second");
    mkdir "$dir/second";
    symlink "$dir/first/data", "$dir/second/data";
    my $locked = "in use by process $v->{pid}";
    $second->start;
    is($second->ending // 'runs', LOCKED, 'data directory in use: exit code ' . LOCKED);
    ok($second->said('err') =~ /\Avarved: [^\n]*$locked\n\z/, '... and one line that says so',
        $second->said('err'));
    is(ask($c, 'produce t 10'), 'NONE 0', '... and the first one goes on');
    hang_up($c);
    is($v->stop('TERM'), 0, 'SIGTERM: exit code 0');

    system 'cp', '-a', "$dir/first", "$dir/newer";
    open my $format, '>', "$dir/newer/data/FORMAT" or die "FORMAT: $!";
    print $format "varve data directory, format 999\n";
    close $format;
    refuses(server('newer'), VERSION, 'format 999', 'data of a newer version');
    read_only();
}

# Can somebody else run the program, where it lies?
sub others_can_run {
    my $v = server('others');
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        POSIX::setuid(65534);
        open STDOUT, '>', '/dev/null';
        exec $v->{program}, '--version' or POSIX::_exit(1);
    }
    waitpid $pid, 0;
    return $? == 0;
}

# Root may write anywhere: be somebody else.
sub read_only {
    return print "# skipped: a data directory that can't be written, which needs root here\n" if $>;
    return print "# skipped: the same, which needs a program that others can run\n" if !others_can_run();
    chmod 0755, $dir;
    my $v = server('readonly');
    system 'cp', '-a', "$dir/first/data", "$dir/readonly";
    system 'chmod', '-R', 'a+rX,a-w', "$dir/readonly/data";
    chmod 0777, "$dir/readonly";
    $v->{uid} = 65534;
    refuses($v, READONLY, 'data', 'data directory not writable');

    my $nowhere = server('nowhere');
    $nowhere->{uid} = 65534;
    refuses($nowhere, READONLY, 'nowhere/data', 'no data directory, and none can be made');
}

# ---- stopping

sub drain {
    my $v = started('drain');
    my $c = client($v);
    is(ask($c, 'create t 1'), 'NONE 0', 'SIGTERM among 60 requests of one connection');
    print { $c->{to} } "burst t 60\n";
    is(answer($c), 'begun', '... when the first is answered');
    is($v->stop('TERM') // 'runs', 0, '... ends it with exit code 0');
    my ($answered) = answer($c) =~ /^NONE (\d+)$/;
    $v->start;
    $v->is_ready;
    is(ask_anew($c, 'end t'), "NONE $answered", '... what was begun was answered: all that is written');
    hang_up($c);
    $v->stop('TERM');
}

# Ask until the answer is an error; how often it was none; N is how often so far.
sub ask_until_it_fails {
    my ($c, $line) = @_;
    for my $good (0 .. 999) {
        my $said = ask($c, $line =~ s/N/$good/r);
        return ($good, $said) if $said !~ /^NONE/;
    }
    return (1000, 'no error');
}

# A sync fails when records are written, or topics made: it ends, and starts with what there was.
sub failed_sync {
    my ($name, $before, $line, $last) = @_;
    return print "# skipped: a sync that fails, which needs --enable-failpoints\n" if !$has_failpoints;
    my $v = server($name, 'wal.bytes=4194304'); # small: its own syncs are over soon
    $v->start(VARVE_FAILPOINT => 'sync:60:eio');
    $v->is_ready;
    my $c = client($v);
    ask($c, $before);
    my ($good, $said) = ask_until_it_fails($c, $line);
    ok($said =~ /^(KAFKA_STORAGE_ERROR|gone)/, "$name: a sync fails, and the client is told", $said);
    is($v->ending // 'runs', STOPPED, '... varved ends, with exit code ' . STOPPED);
    ok($v->said('err') =~ /engine\.stopped/, '... and says why', $v->said('err'));
    $v->start;
    ok($v->is_ready, '... it can be started again', $v->said('err'));
    $good--;
    my $there = ask_anew($c, $last =~ s/N/$good/r);
    ok($there =~ /^NONE/, "... with what was acknowledged, to number $good", $there);
    hang_up($c);
    $v->stop('TERM');
}

# ---- clients

sub connect_to {
    my ($v) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $v->{port}, Timeout => 10);
}

# Not where a sanitizer keeps what was freed.
sub grew_by_less {
    my ($v, $before, $bound, $what) = @_;
    my $grown = $v->memory - $before;
    ok($is_sanitized || $grown < $bound, $what, "$grown bytes more");
}

sub idle_connections {
    my $v = started('idle', 'max.connections.per.ip=2000', 'max.connections.per.ip.rate=100000');
    my $c = client($v);
    is(ask($c, 'ping'), 'NONE 1', 'before 1,000 idle connections');
    my $before = $v->memory;
    my @idle = grep { defined } map { connect_to($v) } 1 .. 1000;
    is(scalar @idle, 1000, '... which are taken');
    is(ask($c, 'ping'), 'NONE 1', '... others are served');
    my $new = client($v);
    is(ask($new, 'ping'), 'NONE 1', '... and new ones, too');
    grew_by_less($v, $before, 64 * MIB, '... of little memory');
    hang_up($new);
    is($v->stop('TERM') // 'runs', 0, '... and a stop does not wait for them');
    hang_up($c);
}

sub frame { my ($bytes) = @_; return pack('N', length $bytes) . $bytes }
sub header { my ($key, $version) = @_; return pack 'nnNn a2', $key, $version, 7, 2, 'me' }

# What may come from those who mean something else, or no good.
sub garbage {
    my @random = map { pack 'C*', map { int rand 256 } 1 .. 1 + rand 2000 } 1 .. 60;
    my @all = map { my $key = $_; map { [$key, $_] } 0 .. 13 } 0 .. 80;
    return (
        @random, (map { frame($_) } @random),
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "SSH-2.0-OpenSSH_9.2\r\n", "\r\n\r\n", "\0" x 1000, "\xff" x 1000,
        pack('N', 0), pack('N', 1) . 'x', pack('N', 0x7fffffff), pack('N', 0x80000000),
        pack('N', 100_000_000) . 'x' x 1000, pack('N', 104_857_600) . header(0, 9),
        frame(pack 'nnNn', 3, 1, 1, 0x7fff), frame(pack 'nnNn', 3, 1, 1, 0xfffe),
        (map { frame(header(@$_)) } @all),
        (map { frame(header(@$_) . "\xff" x 40) } @all),
        (map { frame(header(@$_) . "\x7f" x 40) } @all),
        (map { frame(header(@$_) . pack('N', 0x7ffffff0) x 10) } @all),
        (map { substr frame(header(@$_) . "\0" x 60), 0, 30 } @all),
    );
}

# All bytes, then a look at what comes, without waiting for it, then it is closed; some stay a while.
sub garbage_on_the_port {
    my $v = started('garbage', 'max.connections.per.ip=2000', 'max.connections.per.ip.rate=100000');
    my $c = client($v);
    is(ask($c, 'create t 1'), 'NONE 0', 'a connection is there');
    ask($c, 'produce t 1000');
    my ($before, $sent, $harmed, @held) = ($v->memory, 0, 0);
    my @garbage = garbage();
    for my $bytes (@garbage) {
        my $socket = connect_to($v) or last;
        $socket->syswrite($bytes);
        $socket->blocking(0);
        $socket->sysread(my $answer, 65536);
        push @held, $socket;
        shift @held if @held > 500;
        $harmed++ if ++$sent % 50 == 0 && ask($c, 'fetch t 0') !~ /^NONE [1-9]/;
    }
    is($sent, scalar @garbage, 'garbage of many kinds is taken');
    is($harmed, 0, '... and it is served, meanwhile');
    is(ask($c, 'produce t 1000'), 'NONE 1', '... and afterwards');
    ok(!$v->has_ended, '... varved runs', $v->said('err'));
    grew_by_less($v, $before, 128 * MIB, '... with little more memory');
    ok(length $v->said('err') < MIB, '... and few lines about it', length($v->said('err')) . ' bytes');
    @held = ();
    large_claims($v, $c);
    hang_up($c);
    is($v->stop('TERM') // 'runs', 0, '... and it ends as it should');
}

# Each says that 100 MB will come.
sub large_claims {
    my ($v, $c) = @_;
    my $before = $v->memory;
    my @held = map { connect_to($v) } 1 .. 200;
    $_->syswrite(pack('N', 100_000_000) . header(0, 9) . 'x' x 4000) for @held;
    is(ask($c, 'produce t 1000'), 'NONE 2', '200 connections that promise 100 MB each: others are served');
    grew_by_less($v, $before, 128 * MIB, '... and no memory is taken for promises');
}

# ---- a full disk: a small one of our own, in a namespace of our own

sub full_disk {
    my ($mount) = @_;
    system('mount', '-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', $mount) == 0 or return;
    my $v = Node->new(dir => $mount, options => ['wal.bytes=8388608', 'memory.bytes=16777216',
        'disk.reserve.bytes=4194304', 'checkpoint.interval.ms=200', 'log.segment.bytes=1048576',
        'offsets.topic.num.partitions=1']);
    system 'dd', 'if=/dev/zero', "of=$mount/ballast", 'bs=1M', 'count=12', 'status=none';
    $v->start;
    $v->is_ready or return ok(0, 'a server on a small disk', $v->said('err'));
    my $c = client($v);
    ask($c, 'create t 1');
    my ($last, $written) = ('', 0);
    for (1 .. 2000) {
        last if ($last = ask($c, 'produce t 50000')) !~ /^NONE/;
        $written++;
    }
    ok($last =~ /^KAFKA_STORAGE_ERROR/, 'the disk is full: KAFKA_STORAGE_ERROR to producers', $last,
        $v->said('err'));
    is(ask($c, 'end t'), "NONE $written", '... what was acknowledged is there');
    ok(ask($c, 'fetch t 0') =~ /^NONE [1-9]/, '... consumers go on');
    ok(ask($c, 'fetch t ' . ($written - 1)) =~ /^NONE [1-9]/, '... to the end');
    unlink "$mount/ballast";
    Node::wait_until(sub { ($last = ask($c, 'produce t 50000')) =~ /^NONE/ });
    is($last, "NONE $written", '... with space again it goes on by itself');
    $v->stop('KILL');
    $v->start;
    ok($v->is_ready, '... and after a kill it starts', $v->said('err'));
    my ($end) = ask_anew($c, 'end t') =~ /^NONE (\d+)/;
    ok(defined $end && $end > $written, "... with all of it: $written and more", $end // 'none');
    hang_up($c);
    is($v->stop('TERM') // 'runs', 0, '... and ends as it should');
}

if (@ARGV) { # our own child
    $n = $ARGV[1];
    full_disk($ARGV[0]);
    exit $bad;
}
bad_starts();
drain();
failed_sync('records', 'create t 1', 'produce t 100', 'fetch t N');
failed_sync('topics', 'ping', 'create tN 1', 'end tN');
idle_connections();
garbage_on_the_port();
mkdir "$dir/small";
my $was = $n;
for (split /^/, `unshare -rm '$^X' '$0' '$dir/small' $n 2>/dev/null`) {
    print;
    $n = $1 if /ok (\d+)/;
    $bad++ if /^not ok/;
}
print "# skipped: a full disk, which needs a mount namespace\n" if $n == $was;
print $bad ? "# kept: $dir\n" : '';
remove_tree($dir) if !$bad;
print "1..$n\n";
