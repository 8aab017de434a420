#!/usr/bin/env perl
# A topic that is deleted, and comes back with what is cold of it: as an operator does it, and whatever the
# server goes through meanwhile.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $cold = tempdir(CLEANUP => 1);
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200', 'admin.listeners=127.0.0.1:0');
my $records = Records->new($broker);

tool_at($broker);
sub deleted {
    varve('tier deleted --json') == 0 or diag($err);
    return map { decode_json($_) } split /\n/, $out;
}
# Of topics that have objects.
sub ids { return map { m{([^/]+)$} } glob "$cold/d/*" }
sub metric { return $broker->metrics->{"varve_tier_$_[0]"} // -1 }
sub remove { return $records->varve('topic rm', $_[0], '--yes >/dev/null') }
sub kill_it { $broker->crash; $broker->restart; return }
sub start_anew { $broker->stop; $broker->restart; return }

# ---- what can come back

ok($records->topic('plain'), 'a topic without a cold tier');
ok(remove('plain'), '... is deleted');
is(varve('tier deleted'), 0, 'what can come back') or diag($err);
is($out, "no deleted topic has left anything in the cold tier\n", '... nothing can');
is(varve('tier undelete plain'), 66, '... also when somebody asks for it');
like($err, qr/^varve: no deleted topic "plain" has left anything in the cold tier: varve tier deleted/, '... which is said');

ok($records->topic('t', '--partitions 2 -c remote.storage.enable=true -c segment.bytes=1100000'), 'a cold topic');
ok($records->produce('t', 20_000), '... with records');
is(varve('tier offload t'), 0, '... all of it in the store') or diag($err);
my ($id) = ids();
sub all_of { varve('consume', $_[0], '| sort -n'); return $out }
my $all = all_of('t');
is(scalar(split /\n/, $all), 20_000, 'they are there');
ok(remove('t'), 'it is deleted');
my ($gone) = deleted();
is($gone->{until_ms} - $gone->{deleted_ms}, 86_400_000, 'it can come back for a day');
is($gone->{topic}, 't', '... which is said');
is($gone->{id}, $id, '... with its id');
cmp_ok($gone->{bytes}, '>', 1_900_000, '... and how much of it there is');
is(varve('tier deleted'), 0, 'people hear of it');
like($out, qr/^TOPIC +PARTITIONS +STORE +DELETED +CAN COME BACK +ID\nt +2 +[\d.]+ MiB +\S.* ago +for (?:23|24) h +$id/,
    '... in a table');
ok(wait_until(sub { metric('undeletable_topics') == 1 }), 'metrics tell of it');
is(metric('undeletable_bytes'), $gone->{bytes}, '... the same');
is(varve('config set broker 1 tier.delete.grace.ms=172800000'), 0, 'the grace is changed');
ok(wait_until(sub { varve('tier deleted'); $out =~ /for 2 d|for 4[78] h/ }), '... also for what is deleted already');

# ---- it does, whatever happens in between

for my $way (['at once', sub { }], ['after a restart', \&start_anew], ['after a kill', \&kill_it]) {
    my ($when, $do) = @$way;
    remove('t') if !deleted();
    $do->();
    ok(wait_until(sub { my ($t) = deleted(); $t && ($t->{bytes} // -1) == $gone->{bytes} }), "it is known $when");
    is(varve('tier undelete t'), 0, "it comes back $when") or diag($err);
    like($out, qr/^t is back: varve tier status t tells/, '... which is said');
    kill_it() if $do == \&kill_it;
    ok(all_of('t') eq $all, '... with all its records');
    varve('topic describe t');
    like($out, qr/segment\.bytes.*1100000/, '... and its settings');
    is(scalar(deleted()), 0, '... and is deleted no more');
}
is(varve('tier undelete t'), 66, 'once is enough');
ok($records->produce('t', 1000), 'it goes on');
is(scalar(split /\n/, all_of('t')), 21_000, '... behind what it had');
is(varve('tier offload t'), 0, '... also into the store') or diag($err);
is_deeply([ids()], [$id], '... under the id that it had');

# ---- its name is taken

ok(remove('t'), 'it is deleted again');
ok($records->topic('t'), 'and its name is taken');
is(varve('tier undelete t'), 1, 'then it can not come back');
like($err, qr/^varve: there is a topic "t": give the deleted one another name with --as/, '... but it is said how');
is(varve('tier undelete', '--as "a b" t'), 64, '... with a name that a topic may have');
like($err, qr/^varve: topic "t": /, '... which is said');
is(varve('tier undelete --json --as old t'), 0, '... and then it does') or diag($err);
is(decode_json($out)->{id}, $id, '... with its id');
is(scalar(split /\n/, all_of('old')), 21_000, '... and its records');

# ---- its time is over

ok(remove('old'), 'once more');
is(varve('config set broker 1 tier.delete.grace.ms=0'), 0, 'without a grace');
ok(wait_until(sub { my ($t) = deleted(); !$t || $t->{purging} }), '... it can not come back');
is(metric('undeletable_topics'), 0, '... nor is it counted');
isnt(varve('tier undelete old'), 0, '... whoever asks');
like($err, qr/cold data of topic old is being deleted already|no deleted topic "old"/, '... and is told why');
$broker->stop;
done_testing;
