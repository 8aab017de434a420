#!/usr/bin/env perl
# varve restore, over a directory: a server whose disk is gone is made anew from its store alone; what is damaged
# there is told, and nothing is restored in silence without it.
use strict;
use warnings;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Anew;
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $cold = tempdir(CLEANUP => 1);
my $empty = tempdir(CLEANUP => 1);
Anew::tests(name => 'a directory', options => ["tier.store.url=file://$cold"],
    elsewhere => "tier.store.url=file://$empty",
    age => \&age);

# As they would be a day from now: their files, and their names.
sub age {
    my $then = time - 86400;
    for my $marker (glob "$cold/marker/*") {
        utime $then, $then, $marker;
        (my $name = $marker) =~ s{/(\d+)-(?=[^/]*$)}{sprintf('/%013d-', $1 - 86_400_000)}e;
        rename $marker, $name or die "$marker: $!";
    }
}

# ---- cut short, wherever that is

# Killed at ever later points: the directory is of no use, and says so, or it is as good as new; once it is empty the
# same can be done again.
SKIP: {
    skip('a build without failpoints', 1) if !has_failpoints();
    my ($killed, $unfinished, $other) = (0, 0, 0);
    my $step = long_run() ? 1.5 : 4;
    for my $point (qw(write sync rename link)) {
        for (my $n = 1; $n < 500; $n = int($step * $n) + 1) {
            remove_tree("$empty/data");
            my @again = ("-o tier.store.url=file://$cold", "-o log.dirs=$empty/data", '--take-over');
            local $ENV{VARVE_FAILPOINT} = "$point:$n:kill";
            my $rc = varve('restore', @again);
            last if $rc == 0;
            delete $ENV{VARVE_FAILPOINT};
            $killed++;
            my $second = varve('restore', @again);
            $unfinished += $second == 78;
            $other++ if $second != 0 && $second != 78;
        }
    }
    ok($killed > 8 && ($unfinished > 0 || !long_run()), "killed at $killed points, of which $unfinished left a directory that isn't whole");
    is($other, 0, '... and never one between');
    remove_tree("$empty/data");
    is(varve('restore', "-o tier.store.url=file://$cold -o log.dirs=$empty/data"), 0,
        'after all that the server is made anew as before');
    my $broker = Varved->new(options => [ 'remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
            "log.dirs=$empty/data" ]);
    $broker->restart;
    is(scalar(my @all = split /\n/, Anew::records($broker, 'cold')), 40_100, '... with all its records');
    $broker->stop;
    remove_tree("$empty/data");
}

# ---- what is wrong with what it is told, or with the store

my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
my $dir = tempdir(CLEANUP => 1);
my $data = "$dir/data";

sub refused {
    my ($code, @words) = @_;
    my $rc = system("$tool restore @words >$dir/out 2>$dir/err") >> 8;
    is($rc, $code, "restore @words") or diag text_of("$dir/err");
    return text_of("$dir/err");
}

like(refused(64), qr/^varve: no store is named: give --config FILE with tier\.store\.url, or /, 'no store');
like(refused(66, "-o tier.store.url=file://$dir/none"), qr{^varve: tier\.store\.url=file://\S+/none: }, 'it is not there');
ok(!-e "$dir/none", '... and is not made');
like(refused(64, '-o tier.store.url=ftp://x'), qr/expected file:/, 'nothing that varve knows');
like(refused(64, '-o nonsense=1'), qr/^varve: -o: there is no option nonsense/, 'no setting');
like(refused(64, "-c $dir/none.conf"), qr/^varve: can't read .*none\.conf: No such file/, 'no file of settings');
like(refused(64, 'operand'), qr/"operand" is too much/, 'an operand');

# The oldest segment of a partition that has several.
my ($segments) = sort { @{ [ glob "$b/*" ] } <=> @{ [ glob "$a/*" ] } } glob "$cold/d/*/*";
my ($object) = sort glob "$segments/*";
chmod 0600, $object;
open(my $f, '+<', $object) or die "$object: $!";
truncate $f, 100;
close $f;
my $store = "-o tier.store.url=file://$cold -o log.dirs=$data";
like(refused(65, $store), qr/^varve: of 1 partitions something is missing in the store, as told above: --accept-loss/,
    'an object is shorter than its manifest says');
like(text_of("$dir/out"), qr/^LOST: cold:\d: it had offsets 0 to (\d+), of which [1-9]\d* to \1 are left: .*bytes, expected/m,
    '... what that means is told');
ok(!-e $data, '... and nothing is made of the rest');
is(system("$tool restore $store --accept-loss >$dir/out 2>$dir/err"), 0, '... unless somebody says so')
    or diag text_of("$dir/err");
ok(-e "$data/FORMAT", '... then it is');
done_testing;
