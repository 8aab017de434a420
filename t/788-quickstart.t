#!/usr/bin/env perl
# What the README's first command shows once all is built, on a store that its user names: a record in and out, records
# that go to the cold tier and come back the same after a restart.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

# Its process number and its log stay out of a build whose user may have a server of his own there.
my $built = $ENV{builddir} // '.';
my $dir = tempdir(CLEANUP => 1);
mkdir "$dir/build" or die "$dir/build: $!";
symlink "$built/server", "$dir/build/server" or die "server: $!";
my $at = '127.0.0.1:' . Varved::free_port();
my $script = ($ENV{srcdir} // '.') . '/quickstart.sh';
local @ENV{qw(VARVE_BUILD VARVE_BOOTSTRAP)} = ("$dir/build", $at);

END {
    my $code = $?;
    if (defined $dir && -e "$dir/build/varved.pid") {
        chomp(my $pid = text_of("$dir/build/varved.pid"));
        kill TERM => $pid;
        wait_until(sub { text_of("/proc/$pid/stat") !~ /\) [^Z]/ }); # whoever has inherited it may not ask how it ended
    }
    $? = $code;
}

sub show {
    my ($store) = @_;
    local $ENV{VARVE_STORE} = $store;
    return run(undef, 'sh', '-c', 'exec "$@" 2>&1', 'sh', $script, 'show', '-o', "listeners=PLAINTEXT://$at",
        '-o', 'admin.listeners=', '-o', "log.dirs=$dir/data");
}

my ($said, $code) = show('ftp://elsewhere/cold');
isnt($code, 0, 'a store that there is not');
like($said, qr{tier\.store\.url=ftp://elsewhere/cold: expected file://}, '... is told as varved says it');

($said, $code) = show("file://$dir/cold");
is($code, 0, 'a server is started, and its cold tier shown') or diag($said);
like($said, qr/^hello at \d{4}-/m, 'a record comes out as it went in');
like($said, qr{^from file://\Q$dir\E/cold: .*, and the same records$}m, 'what is in the store that was named is the same');
cmp_ok(Records::bytes_of("$dir/cold"), '>', 1 << 20, '... and is there');
like($said, qr{^  varve tier ls -o tier\.store\.url=file://\Q$dir\E/cold }m, 'what to try next names it, too');
done_testing;
