#!/usr/bin/env perl
# A directory store that isn't there when its server starts, or isn't the one that should be there, as where nothing is
# mounted, or hangs: what is hot is served, nothing is written there, and when it comes all goes on.
use strict;
use warnings;
use File::Temp qw(tempdir);
use POSIX qw(mkfifo);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $dir = tempdir(CLEANUP => 1);
my ($mnt, $cold) = ("$dir/mnt", "$dir/mnt/cold");

# A file stops root, too.
open(my $f, '>', $mnt) or die "$mnt: $!";
close $f;
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200');
my $records = Records->new($broker);

tool_at($broker);
sub records_of { varve('consume', $_[0], '| sort -n'); return scalar(split /\n/, $out) }
sub status_says { my ($what) = @_; return wait_until(sub { varve('tier status') == 0 && $out =~ $what }) }

# ---- it can't be opened

ok(wait_until(sub { $broker->said('err') =~ /cold\.store .*store="?directory \Q$cold\E.*can't be used: is it mounted/ }),
    'a store that is not there is told');
ok($records->topic('t', '-c remote.storage.enable=true -c segment.bytes=1100000'), 'the server serves');
ok($records->produce('t', 20_000), '... who writes');
is(records_of('t'), 20_000, '... and who reads');
ok(status_says(qr/can't be used: is it mounted/), 'the status says why nothing leaves') or diag($out);
is(varve('tier offload --wait 1 t'), 75, 'who waits for that hears');
unlink $mnt;
mkdir $mnt;
is(varve('tier offload --wait 60 t'), 0, 'when it can be opened it is, and takes what there is') or diag($err);
is(records_of('t'), 20_000, '... which can be read');

# ---- it is another directory, as where nothing is mounted

$broker->stop;
rename $cold, "$dir/away" or die "$cold: $!";
$broker->restart;
ok(status_says(qr/isn't mounted/), 'one without what this server wrote is taken for another one') or diag($out);
ok($records->produce('t', 5_000), '... and records');
is(varve('tier offload --wait 1 t'), 75, '... stay here');
is_deeply([glob "$cold/*"], [], '... nothing is written there');
rmdir $cold;
rename "$dir/away", $cold or die "$cold: $!";
is(varve('tier offload --wait 60 t'), 0, 'when the right one is there, they leave') or diag($err);
is(records_of('t'), 25_000, '... and all can be read');
$broker->stop;

# ---- it hangs: nobody writes to what it reads

my ($owner) = glob "$cold/owner/*";
rename $owner, "$dir/owner" or die "$owner: $!";
mkfifo($owner, 0600) or die "$owner: $!";
$broker->restart;
ok(status_says(qr/is being asked/), 'a store that hangs is waited for') or diag($out);
ok($records->produce('t', 5_000), '... and records');
is(records_of('t'), 30_000, '... are served');
$broker->stop; # which doesn't wait for it
unlink $owner;
rename "$dir/owner", $owner or die "$owner: $!";
$broker->restart;
is(varve('tier offload --wait 60 t'), 0, 'when it is well, all leaves') or diag($err);
$broker->stop;

done_testing;
