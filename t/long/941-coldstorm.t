#!/usr/bin/env perl
# Is anything that was acknowledged lost, doubled, or in the wrong place, when its way is the longest?  varved is
# killed again and again while segments go to a store, leave this disk, and are deleted by retention, by
# DeleteRecords and with their topics, with failpoints at least once in the middle of each; the store misbehaves.  In the
# end it has what its manifests name, and nothing else.
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use List::Util 'min';
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Storm;
use Varved;

my $build = $ENV{builddir} // '.';
my @MOVES = @Storm::MOVES;
my @seeds = $ENV{VARVE_SEED} ? $ENV{VARVE_SEED} : long_run() ? 1 .. 3 : 1 + $$ % 1000;
my $kills = $ENV{VARVE_KILLS} // (long_run() ? 40 : 10);

# What is told of time is short, so that all of it happens between two blows.
my @options = (@Storm::SMALL, qw(remote.log.storage.system.enable=true tier.marker.interval.ms=200
    tier.delete.grace.ms=0 tier.segment.delete.delay.ms=500 log.segment.bytes=65536 log.roll.ms=500
    tier.cache.bytes=4194304 admin.listeners=127.0.0.1:0));
# t0 keeps all, a little of it here; from t1 records are deleted, from t2 they go by themselves:
# what is too much, or all soon after it was sealed, since their times are those of the beginning.
my @topics = qw(remote.storage.enable=true t0:local.retention.bytes=131072 t1:local.retention.ms=0 t1:trim
    t2:local.retention.ms=0
    k:local.retention.ms=0 k:segment.ms=100);

# ---- stores: settings that name one, and what makes it misbehave

my @servers;
END {
    my $code = $?;
    kill 'TERM', map { $_->[0] } @servers;
    $? = $code;
}

sub directory {
    my $dir = tempdir('cold-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    return { name => 'a directory', option => "tier.store.url=file://$dir", tell => sub { } };
}

# What was read of the store more than once is kept there.
sub disk_for_cache {
    my $dir = tempdir('cache-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    return ("tier.cache.path=$dir", 'tier.cache.disk.bytes=16777216');
}

# Other keys than before are in the file; what S3 is to be told then.
sub rotate {
    my ($file) = @_;
    my ($id, $secret) = map { int rand 1e9 } 1 .. 2;
    open(my $out, '>', "$file.new") or die "$file.new: $!";
    print $out "[default]\naws_access_key_id = $id\naws_secret_access_key = $secret\n";
    close $out and rename "$file.new", $file or die "$file: $!";
    return "credentials $id $secret";
}

sub s3 {
    my ($seed) = @_;
    my $keys = tempdir('keys-XXXXXX', TMPDIR => 1, CLEANUP => 1) . '/keys';
    my $pid = open(my $said, '-|', "$build/t/s3d", '-b', 'cold', '-k', 'id:secret', '-s', $seed) or die "s3d: $!";
    my ($port) = <$said> =~ /^port (\d+)$/ or die 's3d does not start';
    push @servers, [ $pid, $said ];
    my $url = "http://127.0.0.1:$port";
    my $tell = sub {
        my $answer = HTTP::Tiny->new(proxy => undef, http_proxy => undef)
            ->post("$url/~faults", { content => join '', map { "$_\n" } @_ });
        die "$answer->{content}\n" if $answer->{status} != 200;
    };
    $tell->(rotate($keys));
    return { name => 'S3', option => 'tier.store.url=s3://cold/v', tell => $tell, keys => $keys,
        more => ["tier.s3.endpoint=$url", "tier.s3.credentials=file:$keys"] };
}

# Each time its keys are others; one in two times it is well; what is late is so for a few seconds.
my @faults = ('ANY SLOW_DOWN 20', 'ANY ERROR 20', 'ANY REQUEST_LOST 10', 'ANY ANSWER_LOST 20', 'ANY ERROR_DONE 20',
    'PUTNEW ZOMBIE 10', 'PUTNEW LATE 20', 'PUTNEW CONFLICT 20', 'PUTNEW SILENT 5', 'PUT CUT 10', 'GET CUT 20',
    'GET FLIP 20', 'GET SHORT 20', 'GET DRIP 20', 'HEAD ERROR 30', 'LIST STALE 50', 'LIST UNSEEN 50',
    'DELETES ANSWER_LOST 30', 'DELETES ERROR_IN_200 30', 'DELETE ERROR_DONE 30');
sub mood {
    my ($store) = @_;
    my @some = rand() < 0.5 ? () : map { 'fault ' . $faults[rand @faults] } 0 .. rand 3;
    $store->{tell}->('heal', 'delays 3000 1000', @some, $store->{keys} ? rotate($store->{keys}) : ());
}

# ---- what it is in the end

my $out;
sub scrub {
    my ($store, @words) = @_;
    my @o = map { ('-o', $_) } $store->{option}, @{ $store->{more} // [] };
    ($out, my $code) = run(undef, 'sh', '-c', 'exec "$0" "$@" 2>&1', "$build/server/tool/varve", 'scrub', '--full',
        '--json', @o, @words);
    return $code;
}

# Its lines of a kind.
sub told {
    my ($kind) = @_;
    return grep { $_->{kind} eq $kind } map { /^\{/ ? decode_json($_) : () } split /\n/, $out;
}

# Some of both topics, as far as anybody was told.
sub are_deleted {
    my ($storm) = @_;
    my ($starts) = (grep { / starts / } split /\n/, text_of($storm->{history}))[-1] // '';
    return $starts =~ m{ t1/\d=[1-9]} && $starts =~ m{ t2/\d=[1-9]};
}

sub stormy {
    my ($store, $seed) = @_;
    srand $seed;
    my $storm = Storm->begin($seed, [@options, $store->{option}, @{ $store->{more} // [] },
        $seed % 2 ? () : disk_for_cache()], @topics,
        $seed % 2 ? 't2:retention.ms=5000' : 't2:retention.bytes=200000');
    my $heal = sub { $store->{tell}->('heal') };
    for (0 .. $kills - 1) {
        mood($store);
        rand() < 0.5 || $storm->progress(1 + int rand 200) or last; # some blows come later than others
        ($_ % 2 ? $storm->strike_again(int $_ / 2) : $storm->strike_move($MOVES[$_ / 2 % @MOVES], $heal)) or last;
    }
    $heal->();
    my @struck = map { $storm->{struck}{$_} // 0 } @MOVES;
    my $least = has_failpoints() ? int $kills / 2 / @MOVES : 0; # else it is as it comes
    cmp_ok(min(@struck), '>=', $least, "$store->{name}: it died within each of @MOVES: @struck times");
    ok(wait_until(sub { are_deleted($storm) || $storm->{wrong} || !$storm->progress(50) }), 'old records are gone');
    $storm->kill_at_work if !$storm->{wrong};
    $storm->finish_work;
    my $what = "$store->{name}, $storm->{blows} kills and stops, seed $seed";
    ok(wait_until(sub { scrub($store) == 0 }), "$what: beside its server the store is well") or diag($out);
    $storm->finish;
    is(scrub($store), 0, '... and without it') or diag($out);
    scrub($store, '--grace', 0);
    is_deeply([grep { $_->{what} ne 'orphan' } told('finding')], [], '... but for what killed servers left behind');
    note(scalar(told('finding')), ' orphans');
    my ($sums) = told('scrubbed');
    cmp_ok($sums->{objects}, '>', 3, 'segments went there');
    is(scrub($store, '--grace', 0, '--delete-orphans'), 0, '... which is deleted when that is asked for') or diag($out);
    is(scrub($store, '--grace', 0), 0, '... and no harm done') or diag($out);
    $storm->judge($what);
}

$SIG{PIPE} = 'IGNORE';
for my $seed (@seeds) {
    stormy($_, $seed) for directory(), s3($seed);
}
done_testing;
