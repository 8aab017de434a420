#!/usr/bin/env perl
# varve scrub --heal: what a store has lost, or has damaged, and the stopped server's disk still has, goes there again;
# what neither has is told.
use strict;
use warnings;
use File::Find;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $cold = tempdir(CLEANUP => 1);
my $dir = tempdir(CLEANUP => 1);
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200');
my $records = Records->new($broker);
my $where = "-o tier.store.url=file://$cold -o log.dirs=" . $broker->dir . '/data';

sub told {
    my ($kind, @words) = @_;
    varve(@words, '--json');
    return grep { $_->{kind} eq $kind } map { decode_json($_) } split /\n/, $out;
}
sub files {
    my ($below, $end) = @_;
    my @found;
    find({ no_chdir => 1, wanted => sub { push @found, $_ if -f && /\Q$end\E$/ } }, $below);
    @found = sort @found;
    return @found;
}

ok($records->topic('t', '--partitions 1 -c remote.storage.enable=true -c segment.bytes=1100000'), 'a cold topic');
ok($records->produce('t', 40_000), '... with records');
ok($records->varve('tier offload', 't', '>/dev/null'), '... in the store, and here');
isnt(varve('scrub --heal', $where), 0, 'beside its server nothing is healed');
like($err, qr/is in use: stop its server first/, '... as is said');
isnt(varve("scrub --heal -o tier.store.url=file://$cold -o log.dirs=$dir"), 0, 'nor without a data directory');
like($err, qr/is not a data directory of varve: name it with -o log\.dirs=/, '... which is said');
$broker->stop;
is(varve('scrub --heal', $where), 0, 'where all is well nothing is done') or diag($err);
like($out, qr/: all is well$/m, '... which is said');

# ---- one is gone, one damaged, one too short

my @objects = files("$cold/d", '');
cmp_ok(scalar @objects, '>=', 4, 'there are some segments');
my @before = @objects;
unlink $objects[0];
flip_bit($objects[1]);
truncate($objects[2], 1000) || chmod(0644, $objects[2]) && truncate($objects[2], 1000);
my @healed = told('heal', 'scrub --full --heal', $where);
is(scalar(grep { $_->{healed} } @healed), 3, 'one lost, one damaged, one cut: all are healed') or diag($out . $err);
is(varve('scrub --full --grace 0', $where), 65, 'what was damaged is there still');
is(() = $out =~ /^orphan: /mg, 2, '... an orphan, that nobody names');
unlike($out, qr/^(?:missing|damaged|short)/m, '... and nothing else is wrong');
is(varve('scrub --full --grace 0 --heal --delete-orphans', $where), 0, '... it goes when that is asked for') or diag($err);
my @after = files("$cold/d", '');
is(scalar @after, scalar @objects, '... then there are as many as before');
my %before = map { $_ => 1 } @before;
is(scalar(grep { !$before{$_} } @after), 3, '... three of them under names of their own');

# ---- what this disk doesn't have, or has damaged

my @here = files($broker->dir . '/data/log', '.log');
flip_bit($here[1]);
unlink @after[1, 2];
is(varve('scrub --heal', $where), 65, 'where both are damaged nothing is healed');
like($out, qr/^LOST: topic t, partition 0, offsets \d+ to \d+: segment \d+, byte \d+: crc is /m, '... which is told');
like($out, qr/^healed: .*: written again from this disk, and read back, without what is lost before it of idempotent producers$/m,
    '... but what lies behind it is');
flip_bit($here[1]);
is(varve('scrub --heal', $where), 0, 'where this disk is well it is') or diag($out . $err);
like($out, qr/^healed: topic t, partition 0, offsets \d+ to \d+: written again from this disk, and read back$/m, '... told');
like($out, qr/^1 segments, .*, were healed$/m, '... and counted');

# ---- a manifest

flip_bit((grep { m{/\d{20}$} } files("$cold/m", ''))[-1]);
is(varve('scrub', $where), 65, 'a manifest is damaged');
like($out, qr{^manifest: m/\S+: topic t, partition 0: .*: its server, .*; else stop it, and varve scrub --heal$}m,
    '... which is told, with what heals it');
is(varve('scrub --heal', $where), 0, '... and that does') or diag($out . $err);
like($out, qr/^healed: topic t, partition 0: a whole manifest counts again$/m, '... as is told');
like($out, qr/^1 manifests were healed$/m, '... and counted');
$broker->restart;
ok($records->varve('tier offload', 't', '>/dev/null'), 'its server goes on');
$broker->stop;
is(varve('scrub --full', $where), 0, '... then all is well') or diag($out . $err);

# ---- this disk

@here = files($broker->dir . '/data/log', '.log');
flip_bit($here[1]);
$broker->restart;
like($records->consume('t'), qr/^(?:-1|40000)$/,
    'a consumer sees no damaged record: his checksum fails, or, where it is read of the disk, he gets the store\'s');
$broker->stop;
is(varve('log repair', $broker->dir . '/data </dev/null'), 64, 'damage on this disk: a repair');
like($out, qr/are LOST \(.*`varve scrub --full --heal` keeps: run that first/, '... says what loses less');
is(varve('scrub --full --heal', $where), 0, 'what is damaged here, and whole in the store') or diag($out . $err);
like($out, qr/^healed: topic t, partition 0, offsets 0 to \d+: damaged on this disk, which the store has whole: /m,
    '... leaves the disk, with all before it');
is(varve('scrub --full --heal', $where), 0, '... once') or diag($out . $err);
unlike($out, qr/^healed/m, '... which is all');

# ---- log repair came first

my @left = @here[2 .. $#here];
cmp_ok(scalar @left, '>=', 2, 'this disk has some more segments');
unlink $left[0];
is(varve('log repair --yes', $broker->dir . '/data </dev/null'), 0, 'one is gone, and a repair goes on without')
    or diag($out . $err);
$broker->restart;
is($records->consume('t'), 40_000, '... while consumers have it of the store');
$broker->stop;
flip_bit($left[-1]);
is(varve('log repair --yes', $broker->dir . '/data </dev/null'), 0, '... as without what is damaged')
    or diag($out . $err);
is(varve('scrub --full --heal', $where), 0, 'what this disk lacks since then, and the store has whole') or diag($out . $err);
like($out, qr/^healed: topic t, partition 0, offsets \d+ to \d+: damaged on this disk, which the store has whole: /m,
    '... is read there');
is(varve('scrub --full --heal', $where), 0, '... once') or diag($out . $err);
unlike($out, qr/^healed/m, '... which is all');

# ---- all of it can be read from there

$broker->restart;
is($records->consume('t'), 40_000, 'the server goes on');
ok($records->varve('config set', 'topic t', 'local.retention.ms=0', '>/dev/null'), 'all leaves the disk');
ok($records->produce('t', 5_000), '... behind what is new');
ok($records->varve('tier offload', 't', '>/dev/null'), '... which follows');
ok(wait_until(sub { my @left = files($broker->dir . '/data/log', '.log'); @left <= 2 }), '... and is gone');
is($records->consume('t'), 45_000, '... and comes from the store, whole');
$broker->stop;
unlink "$cold/$_->{key}" for (told('segment', 'tier ls t/0', $where))[0];
is(varve('scrub --heal', $where), 65, 'what neither has is lost');
like($out, qr/^LOST: .*: this disk hasn't got segment 0, either$/m, '... which is told');

# ---- what is lost stops nothing behind it

unlink "$cold/$_->{key}" for (told('segment', 'tier ls t/0', $where))[-1];
$broker->restart;
ok($records->produce('t', 5_000), 'where the newest object is lost, too');
ok($records->varve('tier offload', 't', '>/dev/null'), '... the next ones are in the store all the same');
ok(wait_until(sub { $broker->said('err') =~ /cold\.producers topic=t partition=0 reason=.*is not in the store any more/ }),
    '... and what they know less is told');

# ---- a deleted topic, whose name another one has by now

ok($records->varve('topic rm', 't', '--yes', '>/dev/null'), 'its topic is deleted, and can still come back');
ok($records->topic('t', '--partitions 1 -c remote.storage.enable=true -c segment.bytes=1100000'), '... another one has its name');
ok($records->produce('t', 20_000), '... and records');
ok($records->varve('tier offload', 't', '>/dev/null'), '... in the store, and here');
$broker->stop;
is(varve('scrub --heal', $where), 65, 'what it lacks is still lost') or diag($out . $err);
like($out, qr/^LOST: topic t, partition 0, offsets 0 to \d+: the topic is deleted: this disk has nothing of it any more$/m,
    '... which is told');

# ---- a failure is in nobody's way

my $build = $ENV{builddir} // '.';
my $pid = open(my $said, '-|', "$build/t/s3d", '-b', 'cold') or die "s3d: $!";
my ($port) = <$said> =~ /^port (\d+)$/ or die 'no s3d';
my $http = HTTP::Tiny->new(proxy => undef, http_proxy => undef);
open(my $keys, '>', "$dir/keys") or die "keys: $!";
print $keys "[default]\naws_access_key_id = id\naws_secret_access_key = secret\n";
close $keys;
my @s3 = ("tier.s3.endpoint=http://127.0.0.1:$port", 'tier.store.url=s3://cold/x', "tier.s3.credentials=file:$dir/keys");
my $far = Varved->start('remote.log.storage.system.enable=true', @s3, 'checkpoint.interval.ms=200');
my $there = Records->new($far);
ok($there->topic('t', '--partitions 1 -c remote.storage.enable=true -c segment.bytes=1100000'), 'a topic in S3');
ok($there->produce('t', 40_000), '... with records');
ok($there->varve('tier offload', 't', '>/dev/null'), '... there, and here');
$far->stop;
sub keys_there {
    return $http->get("http://127.0.0.1:$port/cold?list-type=2&prefix=x/d/")->{content} =~ m{<Key>(x/d/[^<]+)</Key>}g;
}
my @keys = keys_there();
cmp_ok(scalar @keys, '>=', 3, '... in some objects');
is($http->delete("http://127.0.0.1:$port/cold/$_")->{status}, 204, 'one of them is lost') for @keys[0, 2];
is($http->post("http://127.0.0.1:$port/~faults", { content => "next PUT FULL 1\n" })->{status}, 200, 'S3 is full once');
my $s3 = join ' ', map { "-o $_" } @s3, 'log.dirs=' . $far->dir . '/data';
is(varve('scrub --heal', $s3), 73, 'one can\'t be written again') or diag($out . $err);
like($out, qr/^FAILED: topic t, partition 0, offsets 0 to \d+: .*, or free s/m, '... which is told');
like($err, qr/healing failed for 1, .*, or free s/, '... also in the end, by the exit code, too');
like($out, qr/^healed: topic t, partition 0, offsets [1-9]/m, '... and the other one is healed');
is(varve('scrub --heal -o tier.hashed.names=true', $s3), 0, 'doing it again heals what is left') or diag($out . $err);
is(scalar(grep { m{^x/d/[0-9a-f]{2}/} } keys_there()), 1, '... under such a name as the server is told to give');
is(varve('scrub --full', $s3), 0, '... then all is well') or diag($out . $err);

# ---- how far it is

is($http->delete("http://127.0.0.1:$port/cold/$_")->{status}, 204, 'two are lost') for (keys_there())[0, 2];
is($http->post("http://127.0.0.1:$port/~faults", { content => "next PUT ERROR 4\n" })->{status}, 200, 'S3 errs for a while');
SKIP: {
    my ($shown, $code) = run(undef, "$build/t/onpty", "$build/server/tool/varve", 'scrub', '--heal', split ' ', $s3);
    skip 'there is no terminal to be had', 2 if $code == 77;
    is($code, 0, '... and both are healed') or diag($shown);
    like($shown, qr/\[#+\.+\]  50 %  1 of 2 segments, /, '... while a terminal shows how far it is');
}
kill TERM => $pid;
close $said;
done_testing;
