#!/usr/bin/env perl
# Produce, tail, offload, cold reads and retention all at the same time, for a while: what memory, file handles,
# threads and store varved needs doesn't grow with that.
#
#   VARVE_SOAK=1800 prove t/long/950-soak.t            so many seconds (180)
#   VARVE_SOAK_STORE=versitygw|radosgw|hdfs prove ...  in a real store, not in a directory
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use POSIX qw(WNOHANG);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use Records;
use HDFS;
use S3;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';
plan skip_all => 'the memory of such a build says little' if Varved::is_sanitized();

my $seconds = $ENV{VARVE_SOAK} // 180;
my $where = $ENV{VARVE_SOAK_STORE} // '';
my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
my $dir = tempdir(CLEANUP => 1);
my $port = Varved::free_port();
my ($mib, $partitions, $rate) = (1 << 20, 4, 3000);

# ---- a store, and how many bytes it has

sub store_of {
    if ($where eq 'hdfs') {
        my $hdfs = HDFS->start;
        return (undef, 'tier.store.url=' . $hdfs->url('cold'), 'tier.hdfs.user=hdfs');
    }
    if ($where ne '') {
        my $s3 = S3->start($where);
        my %env = $s3->env;
        @ENV{ keys %env } = values %env;
        return (sub { $s3->stored_bytes }, 'tier.store.url=' . $s3->url, 'tier.s3.endpoint=' . $s3->endpoint);
    }
    my $cold = tempdir(CLEANUP => 1);
    return (sub { bytes_of($cold) }, "tier.store.url=file://$cold");
}
my ($stored, @options) = store_of();
my $broker = Varved->start('remote.log.storage.system.enable=true', @options, 'checkpoint.interval.ms=1000',
    'tier.segment.delete.delay.ms=60000',
    'memory.bytes=67108864', 'wal.bytes=67108864', "admin.listeners=127.0.0.1:$port");
my $at = '-b ' . $broker->address;

# Each partition turns over several times a minute: 0.75 MB/s come, 4 MiB of them stay here, 16 in all.
sub make {
    system("$tool topic create $at soak --partitions $partitions -c remote.storage.enable=true"
        . ' -c segment.bytes=1048576 -c retention.bytes=16777216 -c local.retention.bytes=4194304 >/dev/null') == 0
        or die "no topic\n";
}

# ---- who uses it

my %child;
sub begin {
    my ($name, $work) = @_;
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        setpgrp();
        $work->();
        POSIX::_exit(0);
    }
    $child{$name} = $pid;
}

# At a fixed rate, with a consumer that tails.
sub produce {
    my $batch = '--batch-bytes 65536 --record-bytes 1024';
    exec "exec $tool bench fanout $at -t soak --rate $rate $batch --seconds $seconds --warm-up 0 --json "
        . ">$dir/produced 2>$dir/produce.err" or POSIX::_exit(127);
}

# All that there is, from its start, again and again; the start moves on under it, which ends a round.
sub read_on {
    my ($n) = @_;
    for (;;) {
        next if system("$tool bench consume $at -t soak --connections $n --json >/dev/null 2>$dir/read.$n") == 0;
        next if text_of("$dir/read.$n") =~ /OFFSET_OUT_OF_RANGE/;
        rename "$dir/read.$n", "$dir/failed.$n";
        return;
    }
}

END { kill 'KILL', map { -$_ } values %child if %child }

# ---- what it takes

sub count_of { my @names = glob $_[0]; return scalar @names }
sub sample {
    my $proc = "/proc/$broker->{pid}";
    return { memory => $broker->memory('VmRSS'), handles => count_of("$proc/fd/*"),
        threads => count_of("$proc/task/*"), store => $stored ? $stored->() : 0,
        disk => bytes_of($broker->dir . '/data/log') };
}

# A family without labels but the store's, all lines of it together.
sub metric {
    my ($name, $label) = @_;
    my $sum = 0;
    for (split /\n/, HTTP::Tiny->new->get("http://127.0.0.1:$port/metrics")->{content}) {
        my ($labels, $value) = /^\Q$name\E(\{\S*\})? (\S+)$/ or next;
        $sum += $value if ($labels // '') =~ /$label/;
    }
    return $sum;
}

make();
begin(produce => \&produce);
begin(alone => sub { read_on(1) });
begin(all => sub { read_on($partitions) });
my (@samples, $status);
until (waitpid($child{produce}, WNOHANG) == $child{produce}) {
    push @samples, sample();
    select(undef, undef, undef, 1);
}
$status = $?;
delete $child{produce};
is($status, 0, 'records are produced and tailed all the time') or diag(text_of("$dir/produce.err"));
my $made = decode_json(text_of("$dir/produced") || '{}');
is($made->{unanswered_requests}, 0, '... and all of them are acknowledged');
is(join('', map { text_of("$dir/failed.$_") } 1, $partitions), '', 'readers from the start have all they ask for');
my %did = (
    offloaded => metric('kafka_server_brokertopicmetrics_remotecopybytes_total', qr/^$/),
    'read from the store' => metric('varve_store_bytes_total', qr/operation="get",outcome="ok"\}/),
    'served from the cold tier' => metric('varve_fetch_bytes_total', qr/source="cold"/),
    'served from memory' => metric('varve_fetch_bytes_total', qr/source="memory"/),
);
cmp_ok($did{$_}, '>', 16 * $mib, "$_: it has come to that") for sort keys %did;
cmp_ok(metric('varve_store_requests_total', qr/operation="delete",outcome="ok"\}/), '>', 0,
    'what is too old leaves the store');

# ---- the last third against the one before

# What so large a share of the samples doesn't exceed: all (1) or half of them. What is still to be moved counts among
# handles and disk: while a machine's disk stands still that grows, and falls again, but no leak ever does.
sub within {
    my ($share, $name, @some) = @_;
    my @sorted = sort { $a <=> $b } map { $_->{$name} } @some;
    return $sorted[$share * $#sorted];
}
sub flat {
    my ($name, $share, $factor, $more) = @_;
    my $third = int(@samples / 3);
    my ($first, $before, $then) = map { within($share, $name, @samples[$_ * $third .. ($_ + 1) * $third - 1]) } 0 .. 2;
    note(sprintf '%s: %s at most %d, %d, %d in the thirds', $name, $share < 1 ? 'half the time' : 'all the time',
        $first, $before, $then);
    cmp_ok($then, '<=', $before * $factor + $more, "$name: as much as before");
}
cmp_ok(scalar @samples, '>=', 30, 'it was looked at often enough');
flat('memory', 1, 1.1, 8 * $mib);
flat('handles', 0.5, 1, 16);
flat('threads', 1, 1, 2);
flat('disk', 0.5, 1.25, 8 * $mib);
flat('store', 1, 1.25, 64 * $mib);

kill 'KILL', map { -$_ } values %child;
waitpid($_, 0) for values %child;
%child = ();
$broker->stop;
done_testing;
