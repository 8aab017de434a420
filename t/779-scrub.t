#!/usr/bin/env perl
# varve scrub, and varve tier ls and dump, on a directory that a server has left: what is well is said to be, and
# each damage is found and named.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Find;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $cold = tempdir(CLEANUP => 1);
my $dir = tempdir(CLEANUP => 1);
my $store = "-o tier.store.url=file://$cold";
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200');
my $records = Records->new($broker);

sub told {
    my ($kind, @words) = @_;
    varve(@words, '--json');
    return grep { $_->{kind} eq $kind } map { decode_json($_) } split /\n/, $out;
}
sub found {
    my (@words) = @_;
    return told('finding', 'scrub', $store, @words);
}
# Keys of segments, in order.
sub segments {
    my @found;
    find({ no_chdir => 1, wanted => sub { push @found, $_ if -f } }, "$cold/d");
    return map { substr $_, length("$cold/") } sort @found;
}
# Something is done to an object, and undone behind the test.
sub spoil {
    my ($key, $what, $do, $check) = @_;
    copy("$cold/$key", "$dir/saved") or die "$key: $!";
    chmod 0644, "$cold/$key";
    $do->("$cold/$key");
    subtest $what => $check;
    unlink "$cold/$key";
    copy("$dir/saved", "$cold/$key") or die "$key: $!";
    return;
}

ok($records->topic('cold', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=1100000'), 'a cold topic');
ok($records->produce('cold', 60_000), '... with records');
ok(wait_until(sub { $records->local_bytes < 1_500_000 }), '... in the store');
is(varve('scrub', $store), 0, 'beside its server all is well') or diag($out . $err);
is(varve('scrub --full', $store), 0, '... to the last byte') or diag($out . $err);
isnt(varve('scrub --delete-orphans --grace 0', $store), 0, 'what it is about to name is not deleted');
like($err, qr/hasn't said that it stopped/, '... as is said');
$broker->stop;

# ---- all is well

is(varve('scrub', $store), 0, 'a store without its server') or diag($out . $err);
like($out, qr/^directory \Q$cold\E: \d+ partitions, \d+ objects, .*: all is well$/m, '... is well');
is(varve('scrub --full --rate 100000000 --threads 2', $store, 'cold'), 0, '... all of a topic') or diag($out . $err);
like($out, qr/1 partitions, \d+ objects, .* [1-9]\d* batches read: all is well/, '... was read');
my ($sums) = told('scrubbed', 'scrub --full', $store);
my @keys = segments();
is($sums->{objects}, scalar @keys, 'each object was looked at');
cmp_ok($sums->{objects}, '>', 3, '... of several');
isnt(varve('scrub', $store, 'other'), 0, 'a topic that nobody knows');
like($err, qr/knows no topic "other"/, '... is named');
isnt(varve('scrub', "-o tier.store.url=file://$dir/none"), 0, 'a directory that is none');
isnt(varve('scrub'), 0, 'no store');
like($err, qr/no store is named/, '... what to give is said');

# ---- what is there

my ($p) = told('partition', 'tier ls', $store);
is_deeply([@{$p}{qw(topic partition deleted segments)}], ['cold', 0, JSON::PP::false, scalar @keys],
    'tier ls tells of a partition');
cmp_ok($p->{next}, '>', 50_000, '... with its offsets');
is(varve('tier ls', $store), 0, '... for people') or diag($err);
like($out, qr/^TOPIC .*\ncold +0 +\d+ +0 +$p->{next} +\d+ /, '... in a table');
my @listed = told('segment', 'tier ls cold/0', $store);
is_deeply([map { $_->{key} } @listed], \@keys, '... and its segments');
is(varve('tier ls cold/x', $store), 64, 'what is no partition is refused');
is(varve('tier ls none', $store), 66, '... and a topic that is none');

# Each kind of object: of what kind its first line is.
sub dumped {
    my ($begins) = @_;
    my @all;
    find({ no_chdir => 1, wanted => sub { push @all, substr $_, length("$cold/") if -f } }, $cold);
    my ($one) = sort { $b cmp $a } grep { /$begins/ } @all;
    is(varve('tier dump', $store, $one), 0, "tier dump $one") or diag($err);
    return $out;
}
like(dumped('^d/'), qr/^header: topic [0-9a-f]{32} partition 0 .*^footer: .*^chunk: .* state ok\n.*^epoch: /ms,
    'a segment, all of it');
like(dumped('^m/'), qr/^root: topic .* version \d+ .*^segment: key d\/.*^chunk: base \d+/ms, 'a manifest');
like(dumped('^marker/'), qr/^marker: cluster \S+ owner 1 .* last 1 .*^pair: key topic\//ms, 'a marker');
like(dumped('^owner/'), qr/^owner: cluster \S+ id [0-9a-f]{32} /, 'an owner');
is(varve('tier dump d/none', $store), 66, 'what is not there');

# ---- damages

# The largest: what was sealed by time may be of few chunks.
my ($key) = sort { -s "$cold/$b" <=> -s "$cold/$a" } @keys;
spoil($key, 'an object is gone', sub { unlink $_[0] }, sub {
    is(varve('scrub', $store), 65, 'a code of its own') or diag($err);
    like($out, qr/^missing: \Q$key\E: topic cold, partition 0, offsets \d+ to \d+: /m, 'it is named');
    like($err, qr/1 finding in directory/, '... and counted');
});
spoil($key, 'an object was cut off', sub { truncate $_[0], 1000 }, sub {
    my @f = found();
    is(scalar @f, 1, 'it is found');
    is_deeply([@{$f[0]}{qw(what key topic partition)}], ['short', $key, 'cold', 0], '... and named');
});
spoil($key, 'a byte of an object', sub { flip_bit($_[0]) }, sub {
    is(varve('scrub', $store), 0, 'a light scrub looks at sizes') or diag($out);
    my @f = found('--full');
    is(scalar @f, 1, 'a full one finds it');
    is_deeply([@{$f[0]}{qw(what key)}], ['damaged', $key], '... and names it');
    like($f[0]{text}, qr/chunk \d+ at byte \d+/, '... with its place');
    is(varve('tier dump', $store, $key), 65, 'dump says where');
    like($err, qr/byte \d+: chunk of offset \d+/, '... it is broken');
    like($out, qr/^chunk: .* state chunk of offset .*^epoch: epoch 0/ms, '... and shows the rest');
});

# ---- what nothing names

(my $orphan = $keys[-1]) =~ s/\d{20}-(\d{13})-/sprintf '%020d-%013d-', 999_999_999, $1/e;
copy("$cold/$keys[-1]", "$cold/$orphan") or die "$orphan: $!";
is(varve('scrub', $store), 0, 'what was just made may be named yet') or diag($out);
my @f = found('--grace 0');
is_deeply([map { $_->{key} } @f], [$orphan], 'what is old enough is an orphan');
is(varve('scrub --grace 0', $store), 65, '... which is a finding');
ok(-e "$cold/$orphan", '... and stays');
is(varve('scrub --grace 0 --delete-orphans', $store), 0, 'it is deleted when that is asked for') or diag($err);
like($out, qr/^orphan: \Q$orphan\E: .*: deleted$/m, '... as is said');
is_deeply([segments()], \@keys, '... and nothing else is');
is(varve('scrub --full', $store), 0, 'all is well again') or diag($out);

done_testing();
