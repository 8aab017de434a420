#!/usr/bin/env perl
# The cold tier from the outside: records of a topic that asks for it leave the server's disk and are read
# from the store as before, whatever happens to the server between.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use Records;

my $cold = tempdir(CLEANUP => 1);
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200', 'tier.delete.grace.ms=1000');
plan skip_all => 'varved has a tier of its own' unless $broker->is_varved;
my $records = Records->new($broker);

ok($records->topic('cold', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=1100000'), 'a topic that asks for the cold tier');
ok($records->produce('cold', 60_000), 'records');
ok(wait_until(sub { bytes_of($cold) > 4_500_000 }), 'they go to the store');
ok(wait_until(sub { $records->local_bytes < 1_500_000 }), '... and leave this disk');
is($records->consume('cold'), 60_000, 'and are read from there');

$broker->crash;
$broker->restart;
is($records->consume('cold'), 60_000, '... after a crash');
ok($records->produce('cold', 15_000), 'more records');
$broker->stop;
$broker->restart;
is($records->consume('cold'), 75_000, '... and a stop');
ok(wait_until(sub { $records->local_bytes < 1_500_000 }), 'it goes on');
is($records->consume('cold'), 75_000, '... with all records there');

ok($records->topic('hot', '-c segment.bytes=1100000'), 'a topic that does not ask');
ok($records->produce('hot', 30_000), 'has records');
is($records->consume('hot'), 30_000, '... which are read');
ok(wait_until(sub { $records->local_bytes > 2_500_000 }), '... and stay on this disk');

# ---- settings

my $varve = $ENV{VARVE_TOOL} // ($ENV{builddir} // '.') . '/server/tool/varve';
my $dir = tempdir(CLEANUP => 1);

# What varve says when it is told to do what can't be.
sub refused {
    my ($command, @args) = @_;
    system("$varve $command -b " . $broker->address . " @args >/dev/null 2>$dir/err") != 0 or return '';
    return text_of("$dir/err");
}

# Does this disk have all of it?
sub begins_here {
    my ($topic) = @_;
    my $status = `$varve tier status -b @{[ $broker->address ]} --json $topic 2>/dev/null`;
    return $status =~ /"start": ?(\d+), ?"local_start": ?\1\b/;
}

like(refused('topic create', 'packed', '-c remote.storage.enable=true -c cleanup.policy=compact'),
    qr/cleanup\.policy=delete.*Compacted topics/, 'a compacted topic can not be cold yet');
like(refused('topic create', 'wide', '-c remote.storage.enable=true -c retention.ms=5 -c local.retention.ms=6'),
    qr/Value must not be more than retention\.ms property value: 5/, 'nor stay here longer than in all');
like(refused('config set', 'topic cold remote.storage.enable=false'),
    qr/without deleting remote data/, 'cold data is not deleted unless somebody says so');

# ---- who leaves

ok($records->topic('gone', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=1100000'), 'another cold topic');
my $segments = "$cold/d"; # beside what the server itself keeps there
my $before = bytes_of($segments);
ok($records->produce('gone', 30_000), 'has records');
ok(wait_until(sub { bytes_of($segments) > $before + 2_000_000 }), 'in the store');
ok($records->varve('topic rm', 'gone', '--yes >/dev/null'), 'is deleted');
ok(wait_until(sub { bytes_of($segments) <= $before }), 'and so is what was cold of it');

$broker->stop;
my $without = Varved->new(port => $broker->{port}, dir => $broker->dir,
    options => ['remote.log.storage.system.enable=false']);
$without->launch;
ok(!$without->is_ready, 'no start without the tier that topics need');
like($without->said('err'), qr/system\.enable is false, but these topics have .*: cold; start with true/,
    '... which is said, with their names');
like($without->said('err'), qr/first set remote\.log\.delete\.on\.disable=true and then remote\.storage\.enable=false/,
    '... and how they leave it');
$broker->launch;
ok($broker->is_ready, 'it starts with the tier again');
for my $setting (qw(remote.log.delete.on.disable=true remote.storage.enable=false)) {
    ok($records->varve('config set topic', "cold $setting", '>/dev/null'), "$setting is set");
}
ok(wait_until(sub { begins_here('cold') }), 'what only the store had is deleted');
$broker->stop;
$without = Varved->new(port => $broker->{port}, dir => $broker->dir,
    options => ['remote.log.storage.system.enable=false']);
$without->launch;
ok($without->is_ready, '... and no topic has to be deleted for a start without the tier');
done_testing;
